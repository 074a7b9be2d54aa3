package dirstore

// NameFiles makes Stage give each file a name, as on systems without unnamed files.
func (s *Store) NameFiles() { s.unnamed = func() bool { return false } }
