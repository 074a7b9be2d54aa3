package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/provision"
)

// ProvisionSteps returns what is to be done to databases and to the folder of images, and
// changes nothing. Databases are those among the locations; roles are to have the rights of
// servers and workers in each. An empty folder location means none.
func ProvisionSteps(ctx context.Context, locations []config.Location, folder config.Location, roles []string) (steps []*provision.Step, err error) {
	var wrong []error
	seen := map[config.Location]bool{}
	for _, at := range locations {
		if at == "" || seen[at] || at.Scheme() != "postgres" {
			continue
		}
		seen[at] = true
		steps = append(steps, databaseSteps(ctx, at, roles)...)
	}
	if folder != "" && folder.Scheme() == "file" {
		dir, err := dirstore.Folder(string(folder))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("OBJECTS: %s: %w", folder, err))
		} else {
			steps = append(steps, folderStep(ctx, dir))
		}
	}
	return steps, errors.Join(wrong...)
}

func databaseSteps(ctx context.Context, at config.Location, roles []string) []*provision.Step {
	on := "database " + databaseName(at)
	version := func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n)
	}
	schema := provision.Step{On: on, What: "schema", Call: "CREATE SCHEMA claimcheck", Commands: []string{"claimcheck provision"}}
	now, err := pgstore.Version(ctx, string(at))
	schema.Diffs = []provision.Diff{{Setting: "version", Is: version(now), Should: version(max(now, pgstore.SchemaVersion))}}
	switch {
	case err != nil:
		schema.State, schema.Err = provision.Failed, err
	case now == 0:
		schema.State = provision.Create
	case now < pgstore.SchemaVersion:
		schema.State, schema.Call = provision.Change, "ALTER"
	}
	steps := []*provision.Step{provision.NewStep(schema, func(ctx context.Context) error {
		_, _, err := pgstore.Provision(ctx, string(at))
		return err
	})}
	for _, role := range slices.Compact(slices.Sorted(slices.Values(roles))) {
		s := provision.Step{On: on, What: "rights of role " + role, Call: "GRANT", Commands: []string{"claimcheck provision --grant " + role}}
		granted, gerr := false, err
		if err == nil {
			granted, gerr = pgstore.Granted(ctx, string(at), role)
		}
		switch {
		case gerr != nil:
			s.State, s.Err = provision.Failed, gerr
		case !granted:
			s.State = provision.Change
		}
		steps = append(steps, provision.NewStep(s, func(ctx context.Context) error {
			_, _, err := pgstore.Provision(ctx, string(at), role)
			return err
		}))
	}
	return steps
}

// databaseName returns what a database URL names: the database, and its host where one is
// given.
func databaseName(at config.Location) string {
	u, err := url.Parse(string(at))
	if err != nil {
		return "(not a URL)"
	}
	return strings.TrimPrefix(path.Join(u.Host, u.Path), "/")
}

func folderStep(ctx context.Context, dir string) *provision.Step {
	s := provision.Step{On: "folder " + dir, What: "folders of images", Call: "mkdir", Commands: []string{"claimcheck provision"}}
	if _, err := os.Stat(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.State, s.Err = provision.Failed, err
	} else if err := dirstore.New(dir, dirstore.Options{}).Ready(ctx); err != nil {
		s.State = provision.Create
	}
	return provision.NewStep(s, func(context.Context) error {
		_, err := dirstore.Provision(dir)
		return err
	})
}
