package cost

import "math"

// WorkerCPU and WorkerGiB are the size of a worker, as cloudbuild.yaml deploys it.
const (
	WorkerCPU = 1
	WorkerGiB = 2
)

// Estimate is what some jobs have cost, in the currency of the prices: their requests and
// the processing time on a worker, without what is free each month, and without storage,
// transfer and idle time. Groups says that the queue is a fair one, which costs more.
func (p *Prices) Estimate(writes, reads, queue int, processingSeconds float64, groups bool) float64 {
	sum := float64(writes)*p.each(S3Writes) + float64(reads)*p.each(S3Reads) + float64(queue)*p.each(SQSRequests) +
		processingSeconds*(WorkerCPU*p.each(PoolCPU)+WorkerGiB*p.each(PoolMemory))
	if groups {
		sum += float64(queue) * p.each(SQSGroups)
	}
	return math.Round(sum*1e12) / 1e12
}

// each is the price of one unit, in the first tier that is not free.
func (p *Prices) each(item Item) float64 {
	price := p.Items[item]
	return price.at(price.free()+1) / price.Per
}
