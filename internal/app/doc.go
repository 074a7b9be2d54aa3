// Package app is the composition root: it wires concrete types to each other and holds
// no logic of its own. Beside config, the root package and the commands it is the only
// one that knows the environment.
//
// [Open] starts a process of any kind. The backends of a process are chosen in one place,
// backends.go.
package app
