package cost

import (
	"fmt"
	"math"
	"time"
)

// Home is where server, workers, bucket and queue are.
type Home string

// The homes that a bill can be for.
const (
	// Lambda is all at AWS: functions for server and worker, S3 and SQS.
	Lambda Home = "lambda"
	// Machine is one machine of EC2 with server, workers, PostgreSQL and a folder.
	Machine Home = "machine"
	// CloudRun is a service and a worker pool of Cloud Run, with S3 and SQS at AWS.
	CloudRun Home = "cloud-run"
	// CloudRunJob is CloudRun with workers that a schedule starts and that end when they
	// are idle, in place of the pool.
	CloudRunJob Home = "cloud-run-job"
)

const (
	// mappingPollers is the number of long polls that Lambda keeps open for a queue.
	mappingPollers = 5
	// idleRun is the time of a scheduled worker beside its jobs: EXIT_WHEN_IDLE of 60 s, and
	// half of a poll of 20 s.
	idleRun = 70 * time.Second
	// machineCPUs are the processors of the machine, and diskGiB its disk beside the images:
	// system, database and log.
	machineCPUs = 2
	diskGiB     = 20
)

// at moves the quantities of Cloud Run to the home.
func (h Home) at(q map[Item]float64, w Workload, polls counts) error {
	const gib = 1 << 30
	running := month.Seconds() * float64(w.Workers)
	work := w.Jobs * w.Work.Seconds()
	answers := 1 + w.Polls + w.Outputs
	if w.Direct {
		answers++
	}
	toClients := w.Jobs * (float64(w.OutputSize)*w.Outputs + DocumentBytes*answers) / gib
	stay := func(items ...Item) {
		for _, i := range items {
			delete(q, i)
		}
	}
	switch h {
	case CloudRun, "":
		q[PoolCPU], q[PoolMemory] = running*w.WorkerCPU, running*w.WorkerGiB
	case CloudRunJob:
		runs := math.Floor(month.Seconds() / w.Schedule.Seconds())
		running = runs*idleRun.Seconds() + work
		q[JobCPU], q[JobMemory] = running*w.WorkerCPU, running*w.WorkerGiB
		q[SQSRequests] += runs*idleRun.Seconds()/3600*pollsPerHour - polls.messages
	case Lambda:
		stay(RunRequests, RunCPU, RunMemory, GoogleEgress)
		q[LambdaRequests] = w.Jobs * (answers + 1)
		q[LambdaTime] = w.Jobs * (answers*w.Answer.Seconds()*w.ServerGiB + w.Work.Seconds()*w.WorkerGiB)
		q[SQSRequests] += pollsPerHour*month.Hours()*mappingPollers - polls.messages
		q[AWSEgress] = toClients
	case Machine:
		if w.Workers > machineCPUs {
			return fmt.Errorf("one machine of %d processors cannot do so many jobs of %s each in a month", machineCPUs, w.Work)
		}
		stored := q[S3Storage]
		stay(S3Writes, S3Reads, SQSRequests, SQSGroups, S3Storage, RunRequests, RunCPU, RunMemory, GoogleEgress)
		q[MachineHours] = month.Hours()
		q[Disk] = diskGiB + stored
		q[AWSEgress] = toClients
	default:
		return fmt.Errorf("there is no home %q", h)
	}
	return nil
}
