package sqsserver

import (
	"sync"

	"github.com/google/uuid"
)

// maxMoves is how many ended tasks are listed of one queue, as on the service.
const maxMoves = 10

// moves remembers the message move tasks since the server began. A task is done before
// it is answered, so there is never one to cancel.
type moves struct {
	mu   sync.Mutex // guards done
	done map[string][]moveResult
}

func (m *moves) add(source string, result moveResult) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done == nil {
		m.done = make(map[string][]moveResult)
	}
	list := append([]moveResult{result}, m.done[source]...)
	m.done[source] = list[:min(len(list), maxMoves)]
}

func (m *moves) of(source string) []moveResult {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]moveResult{}, m.done[source]...)
}

// startMoveTask sends the visible messages of a dead-letter queue to DestinationArn or
// back to where they came from, as new messages.
func (s *Server) startMoveTask(_ request, in *startMoveInput) (*startMoveOutput, error) {
	from, err := s.byARN("SourceArn", in.SourceArn)
	if err != nil {
		return nil, err
	}
	target := ""
	if in.DestinationArn != "" {
		to, err := s.byARN("DestinationArn", in.DestinationArn)
		if err != nil {
			return nil, err
		}
		target = to.name
	}
	started := s.store.now()
	moved, err := s.store.move(from, target)
	if err != nil {
		return nil, err
	}
	all, err := s.store.queues()
	if err != nil {
		return nil, err
	}
	for _, q := range all {
		s.bells.ring(q.name)
	}
	s.moves.add(from.name, moveResult{
		Status:                            "COMPLETED",
		SourceArn:                         in.SourceArn,
		DestinationArn:                    in.DestinationArn,
		ApproximateNumberOfMessagesMoved:  moved,
		ApproximateNumberOfMessagesToMove: moved,
		StartedTimestamp:                  started.UnixMilli(),
	})
	return &startMoveOutput{TaskHandle: uuid.NewString()}, nil
}

func (s *Server) listMoveTasks(_ request, in *listMovesInput) (*listMovesOutput, error) {
	from, err := s.byARN("SourceArn", in.SourceArn)
	if err != nil {
		return nil, err
	}
	return &listMovesOutput{Results: s.moves.of(from.name)}, nil
}

func (s *Server) byARN(parameter, arn string) (*queue, error) {
	if arn == "" {
		return nil, missingParameter(parameter)
	}
	name, ok := queueOfARN(arn)
	if !ok {
		return nil, invalidParameter(parameter, arn, "It is not the ARN of a queue.")
	}
	q, err := s.store.queue(name)
	if err != nil {
		return nil, fail("ResourceNotFoundException", "The resource that you specified for the %s parameter doesn't exist.", parameter)
	}
	return q, nil
}
