// Package dirstore keeps the bytes of images in a folder of a local file system.
//
//	input/fa/0190163d-…-33fa    the image of a job, in one of 256 folders that the
//	output/fa/0190163d-…-33fa   last two digits of its identifier name
//	tmp/…                       what is being written, where files need a name for that
//	upload.key                  signs direct uploads, unless another key is given
//
// A file has the bytes of the image and, after them, a trailer with their type and SHA-256,
// which image viewers ignore. An object appears as a whole: the store writes the bytes to a
// file without a name, and then names it by link(2). Commit returns after both file and folder
// are durable. If the system crashes before that, the name can exist without all of the bytes.
// The trailer shows that such a file is damaged, and the next Commit replaces it. A
// replacement is durable before it gets the object's name by rename(2). The folder must be on
// one file system with hard links and flock(2) that makes no size durable before the bytes
// (ext4, XFS and Btrfs by their defaults). Several processes of one machine may share it. On
// systems other than Linux, where an unfinished file needs a name, it has one in tmp, and
// [Store.Sweep] removes what a crash leaves there.
//
// [Provision] creates the three folders and the key. A store without them is misconfigured:
// otherwise a disk that is not mounted would look like an empty one.
package dirstore
