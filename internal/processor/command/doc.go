// Package command implements the processor that runs a program for each image.
package command
