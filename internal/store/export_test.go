package store

// Sign gives a new account's first change its number and MAC, so that a test
// can have a manifest without writing what it names.
func Sign(cfg Config, c *Change) error {
	k, err := cfg.Keys(cfg.Current)
	if err != nil {
		return err
	}
	all, err := list(c.Add)
	if err != nil {
		return err
	}
	h, err := head{floor: 1}.next(cfg, k, 1, all)
	c.Seq, c.Floor, c.MAC = h.seq, h.floor, h.mac
	return err
}
