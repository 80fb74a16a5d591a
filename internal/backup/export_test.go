package backup

import "os"

// Durable has do make files and folders durable.
func (f *Folder) Durable(do func(*os.File) error) { f.durable = do }
