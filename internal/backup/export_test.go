package backup

import "os"

// Durable has do make files and folders durable.
func (f *Folder) Durable(do func(*os.File) error) { f.durable = do }

// Room has ask say whether there is room for a change.
func (f *Folder) Room(ask func(what string) error) { f.room = ask }
