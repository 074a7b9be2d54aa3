package app

import (
	"fmt"
	"os"
	"strings"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/schema"
)

// describe returns the JSON Schema of a processor's params, and the processor's rules with
// those of the schema. The built-in processor has a schema by itself, and words its own
// refusals; others have that of PROCESSOR_SCHEMA.
func describe(c *config.Config, rules job.Rules, can imaging.Capabilities) ([]byte, job.Rules, error) {
	switch {
	case c.Processor == "image":
		return imaging.Schema(can), rules, nil
	case c.ProcessorSchema == "":
		return schema.Any, rules, nil
	}
	raw := []byte(c.ProcessorSchema)
	if !strings.HasPrefix(c.ProcessorSchema, "{") {
		var err error
		if raw, err = os.ReadFile(c.ProcessorSchema); err != nil {
			return nil, nil, fmt.Errorf("PROCESSOR_SCHEMA: %w", err)
		}
	}
	s, err := schema.New(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("PROCESSOR_SCHEMA: %w", err)
	}
	return s.JSON(), s.Rules(rules), nil
}
