package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A store can pass conditional writes in sequence and fail when they race.
const (
	racers = 8
	rounds = 10
)

func createExisting(ctx context.Context, s *store) error {
	key := s.key("create")
	if _, err := s.put(ctx, key, "first", absent()); err != nil {
		return fmt.Errorf("a create with If-None-Match: * of a missing object gets %w", answer(err))
	}
	_, err := s.put(ctx, key, "second", absent())
	if err := refused(err); err != nil {
		return err
	}
	return s.holds(ctx, key, "first")
}

func createRace(ctx context.Context, s *store) error {
	for i := range rounds {
		if err := s.race(ctx, s.key(fmt.Sprint("race-", i)), absent()); err != nil {
			return err
		}
	}
	return nil
}

func swapRace(ctx context.Context, s *store) error {
	key := s.key("swap-race")
	if _, err := s.put(ctx, key, "first", condition{}); err != nil {
		return answer(err)
	}
	for range rounds {
		_, tag, err := s.get(ctx, key)
		if err != nil {
			return answer(err)
		}
		if err := s.race(ctx, key, match(tag)); err != nil {
			return err
		}
		// Otherwise the same winner would write the same bytes, and get the same tag.
		if _, err := s.put(ctx, key, "between", condition{}); err != nil {
			return answer(err)
		}
	}
	return nil
}

// race writes to one key concurrently under one condition, and checks that exactly one
// write won and that its bytes are stored.
func (s *store) race(ctx context.Context, key string, c condition) error {
	var (
		start = make(chan struct{})
		done  sync.WaitGroup
		errs  [racers]error
	)
	for i := range racers {
		done.Go(func() {
			<-start
			_, errs[i] = s.put(ctx, key, fmt.Sprint("racer ", i), c)
		})
	}
	close(start)
	done.Wait()
	winner, won := "", 0
	for i, err := range errs {
		if err == nil {
			winner, won = fmt.Sprint("racer ", i), won+1
		} else if err := refused(err); err != nil {
			return fmt.Errorf("of %d at once, one: %w", racers, err)
		}
	}
	if won != 1 {
		return fmt.Errorf("of %d at once, %d get 200", racers, won)
	}
	return s.holds(ctx, key, winner)
}

func swap(ctx context.Context, s *store) error {
	key := s.key("swap")
	first, err := s.put(ctx, key, "first", absent())
	if err != nil {
		return answer(err)
	}
	second, err := s.put(ctx, key, "second", match(first))
	if err != nil {
		return fmt.Errorf("If-Match with the tag of the write before it gets %w", answer(err))
	}
	if first == second {
		return errors.New("two objects of different bytes have one tag")
	}
	body, tag, err := s.get(ctx, key)
	if err != nil {
		return answer(err)
	}
	if body != "second" || tag != second {
		return fmt.Errorf("a read after the swap gives %.20q with tag %s, written is %q with tag %s", body, tag, "second", second)
	}
	if _, err := s.put(ctx, key, "third", match(tag)); err != nil {
		return fmt.Errorf("If-Match with the tag of a read gets %w", answer(err))
	}
	return nil
}

func swapStale(ctx context.Context, s *store) error {
	key := s.key("swap-stale")
	stale, err := s.put(ctx, key, "first", condition{})
	if err != nil {
		return answer(err)
	}
	if _, err := s.put(ctx, key, "second", condition{}); err != nil {
		return answer(err)
	}
	_, err = s.put(ctx, key, "third", match(stale))
	if err := refused(err); err != nil {
		return err
	}
	return s.holds(ctx, key, "second")
}

func swapNothing(ctx context.Context, s *store) error {
	key := s.key("swap-nothing")
	tag, err := s.put(ctx, key, "first", condition{})
	if err != nil {
		return answer(err)
	}
	if _, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key}); err != nil {
		return answer(err)
	}
	_, err = s.put(ctx, key, "second", match(tag))
	if err := refused(err, http.StatusNotFound); err != nil {
		return err
	}
	return s.gone(ctx, key)
}

func deleteStale(ctx context.Context, s *store) error {
	key := s.key("delete-stale")
	stale, err := s.put(ctx, key, "first", condition{})
	if err != nil {
		return answer(err)
	}
	current, err := s.put(ctx, key, "second", condition{})
	if err != nil {
		return answer(err)
	}
	_, err = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key, IfMatch: &stale})
	if err := refused(err); err != nil {
		return err
	}
	if err := s.holds(ctx, key, "second"); err != nil {
		return err
	}
	if _, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key, IfMatch: &current}); err != nil {
		return fmt.Errorf("a delete with the current tag gets %w", answer(err))
	}
	return s.gone(ctx, key)
}
