// Package command holds the processor that runs a program for each image.
package command
