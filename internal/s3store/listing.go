package s3store

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxListing bounds the body of one page: 1000 keys of 1 KiB, escaped, with their other
// elements.
const maxListing = 16 << 20

// listKeys returns the keys of the next page. It removes them from the body before the SDK
// reads it: the SDK's parser takes three quarters of the processor time of a listing, and a
// year of usage has hundreds of pages.
func (s *Store) listKeys(ctx context.Context, pages *s3.ListObjectsV2Paginator) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	var keys []string
	page, err := pages.NextPage(ctx, func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions[:len(o.APIOptions):len(o.APIOptions)], func(stack *middleware.Stack) error {
			take := middleware.DeserializeMiddlewareFunc("TakeKeys", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				out, metadata, err := next.HandleDeserialize(ctx, in)
				if r, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil && r.StatusCode == 200 {
					keys, err = takeKeys(r)
				}
				return out, metadata, err
			})
			return stack.Deserialize.Insert(take, "OperationDeserializer", middleware.After)
		})
	})
	if err != nil {
		return nil, err
	}
	for _, o := range page.Contents { // of a body that is written in another way
		keys = append(keys, aws.ToString(o.Key))
	}
	return keys, nil
}

// takeKeys removes the objects from a page's body and returns their keys. It does not change
// a body that it cannot parse.
func takeKeys(r *smithyhttp.Response) (keys []string, err error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxListing+1))
	if cerr := r.Body.Close(); err == nil {
		err = cerr
	}
	if err == nil && len(body) > maxListing {
		err = fmt.Errorf("a page of the listing has more than %d bytes", maxListing)
	}
	if err != nil {
		return nil, &smithyhttp.ResponseError{Response: r, Err: err}
	}
	keys, rest, ok := cutKeys(body)
	if !ok {
		keys, rest = nil, body
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(rest)), int64(len(rest))
	return keys, nil
}

// cutKeys returns the keys of a page and the page without its objects.
func cutKeys(page []byte) (keys []string, rest []byte, ok bool) {
	if bytes.Contains(page, []byte("<!")) { // a comment or a section could hold anything
		return nil, nil, false
	}
	for {
		before, after, found := bytes.Cut(page, []byte("<Contents>"))
		rest = append(rest, before...)
		if !found {
			return keys, rest, true
		}
		object, after, closed := bytes.Cut(after, []byte("</Contents>"))
		_, key, begins := bytes.Cut(object, []byte("<Key>"))
		key, _, ends := bytes.Cut(key, []byte("</Key>"))
		if !closed || !begins || !ends {
			return nil, nil, false
		}
		text := string(key)
		if bytes.ContainsAny(key, "&\r") {
			if err := xml.Unmarshal(append(append([]byte("<Key>"), key...), "</Key>"...), &text); err != nil {
				return nil, nil, false
			}
		}
		keys, page = append(keys, text), after
	}
}
