// Package dirstore keeps the bytes of images in a folder of a local file system.
//
//	input/fa/0190163d-…-33fa    the image of a job, in one of 256 folders that the
//	output/fa/0190163d-…-33fa   last two digits of its identifier name
//	tmp/…                       what is being written
//	upload.key                  signs direct uploads, unless another key is given
//
// A file holds the bytes as they came, and behind them a trailer with their type and
// SHA-256, which programs that show images ignore. An object appears as a whole: its bytes
// are written to a file in tmp and made durable there, then the file gets its name by
// link(2) or rename(2), and the folder is made durable. A crash leaves the object or no
// object, and at worst a file in tmp, which [Store.Sweep] removes. The folder must be on
// one file system with hard links and flock(2); several processes of one machine may
// share it.
//
// [Provision] makes the three folders and the key. A store without them is misconfigured, so that a
// disk that is not mounted is not taken for an empty one.
package dirstore
