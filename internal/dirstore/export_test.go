package dirstore

// NameFiles has each file staged under a name, as on systems that know no files without.
func (s *Store) NameFiles() { s.unnamed = func() bool { return false } }
