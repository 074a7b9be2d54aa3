package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// images returns the images to submit, with the names of their results. A folder is
// replaced by the images in it.
func (c submitCmd) images(ctx context.Context, s streams) (images, stems []string, err error) {
	others := 0
	for _, file := range c.Files {
		info, err := os.Stat(file)
		if !c.Recursive || err != nil || !info.IsDir() { // what is wrong with it is said of it alone
			images, stems = append(images, file), append(stems, stemOf(file))
			continue
		}
		found, skipped, err := imagesBelow(ctx, file, c.Output)
		if err != nil {
			return nil, nil, err
		}
		if len(found) == 0 {
			return nil, nil, fmt.Errorf("%s: there is no image in this folder", file)
		}
		others += skipped
		for _, image := range found {
			within, err := filepath.Rel(file, image)
			if err != nil {
				return nil, nil, err
			}
			images, stems = append(images, image), append(stems, strings.TrimSuffix(within, filepath.Ext(within)))
		}
	}
	if others > 0 {
		fmt.Fprintf(s.err, "claimcheck: %d other files in the folders are not images, and are left out\n", others)
	}
	return images, numbered(stems), nil
}

// imagesBelow returns the images in a folder and those below it, by their content, and
// counts the other files. It passes over what is hidden, and over the folder of results.
func imagesBelow(ctx context.Context, folder, results string) (images []string, others int, err error) {
	var out os.FileInfo
	if results != "" {
		if out, err = os.Stat(results); err != nil {
			return nil, 0, err
		}
	}
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case path != folder && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			if here, err := d.Info(); path != folder && err == nil && out != nil && os.SameFile(here, out) {
				return fs.SkipDir
			}
			return nil
		case d.Type().IsRegular() && isImage(path):
			images = append(images, path)
		default:
			others++
		}
		return nil
	})
	return images, others, err
}

// isImage reports whether a file has the content of an image, or cannot be read: its
// submit says why.
func isImage(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return true
	}
	_, err = contentType(f, info.Size())
	return err == nil
}
