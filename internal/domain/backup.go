package domain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/schema"
)

// A Backup is what the catalog remembers of one: which key versions open it.
type Backup struct {
	Name   string    `json:"name"`
	Folder string    `json:"folder"`
	At     time.Time `json:"at"`
	Keys   []string  `json:"keys"`
}

// backupType is the type of their records, which no face shows.
const backupType = "Logkeep.Storage/backups"

func backupID(name string) string { return "/providers/" + backupType + "/" + name }

// NoteBackup remembers a backup that was made.
func NoteBackup(ctx context.Context, cat *catalog.Catalog, b Backup) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	_, err = cat.Put(ctx, catalog.Resource{ID: backupID(b.Name), Type: backupType, Name: b.Name, Tenant: schema.TenantID("service"), Body: text}, catalog.Always())
	if err != nil {
		return fmt.Errorf("note the backup %s: %w", b.Name, err)
	}
	return nil
}

// ForgetBackup forgets one that was removed.
func ForgetBackup(ctx context.Context, cat *catalog.Catalog, name string) error {
	err := cat.Delete(ctx, backupID(name), catalog.Always())
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return err
}

// backupsUnder lists the backups that need a key version, newest first.
func (d *Domains) backupsUnder(ctx context.Context) (map[string][]Backup, error) {
	all, err := d.cfg.Catalog.List(ctx, "/", backupType)
	if err != nil {
		return nil, err
	}
	out := map[string][]Backup{}
	for _, res := range slices.Backward(all) { // names are times
		var b Backup
		if err := json.Unmarshal(res.Body, &b); err != nil {
			return nil, fmt.Errorf("the record of backup %s: %w", res.Name, catalog.ErrDamaged)
		}
		for _, kid := range b.Keys {
			out[kid] = append(out[kid], b)
		}
	}
	return out, nil
}
