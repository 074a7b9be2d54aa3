package vips_test

import (
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/embedded"
)

// embeddedProcessor is the processor to compare with.
func embeddedProcessor() *imaging.Processor {
	return imaging.New(embedded.New(imaging.Limits{}), embedded.New(imaging.Limits{}).Describe().Capabilities, imaging.Limits{})
}
