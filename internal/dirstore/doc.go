// Package dirstore keeps the bytes of images in a folder of a local file system.
//
//	input/fa/0190163d-…-33fa    the image of a job, in one of 256 folders that the
//	output/fa/0190163d-…-33fa   last two digits of its identifier name
//	tmp/…                       what is being written, where files need a name for that
//	upload.key                  signs direct uploads, unless another key is given
//
// A file holds the bytes as they came, and behind them a trailer with their type and
// SHA-256, which programs that show images ignore. An object appears as a whole: its bytes
// are written to a file without a name, which then gets its name by link(2). File and folder
// are made durable at once, and only then a Commit returns. When the system itself crashes
// before that, the name can be there without all of the bytes: such a file is damaged, as
// its trailer shows, and the next Commit replaces it. What replaces an object is durable
// before it gets the object's name by rename(2). The folder must be on one file system with
// hard links and flock(2), which makes no size durable before the bytes (ext4, XFS and Btrfs
// by their defaults); several processes of one machine may share it. Where a file needs a
// name (systems other than Linux), it has one in tmp, and [Store.Sweep] removes what a crash
// leaves there.
//
// [Provision] makes the three folders and the key. A store without them is misconfigured, so that a
// disk that is not mounted is not taken for an empty one.
package dirstore
