package app

import "runtime/debug"

// stamped is set by the linker: -X claimcheck.example/internal/app.stamped=v1.2.3
var stamped string

// Version is the version of this binary: the linker's stamp, else the tag or commit that
// the go command recorded, else "devel".
var Version = version(stamped)

func version(stamped string) string {
	if stamped != "" {
		return stamped
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
