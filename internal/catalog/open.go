package catalog

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks our files: the letters LKct. It is on disk.
const applicationID = 0x4c4b6374

// readers bounds the connections that read at the same time.
const readers = 8

// Open opens the catalog in the file, which is made if it is missing, and
// brings it to the present schema. It fails with ErrNewer or ErrDamaged in the
// chain where that is the reason.
func Open(ctx context.Context, path string) (*Catalog, error) {
	c, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open catalog %s: %w", path, err)
	}
	return c, nil
}

func open(ctx context.Context, path string) (_ *Catalog, err error) {
	// SQLite would make the file readable by the group; the log and the shared
	// memory files inherit the mode of the database.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	c := &Catalog{path: path}
	c.Records = Records{cat: c}
	db, err := sql.Open("sqlite", source(path, false))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if err := inspect(ctx, db); err != nil {
		return nil, err
	}
	if err := migrate(ctx, db); err != nil {
		return nil, err
	}
	if c.writer, err = newWriter(ctx, db, &c.recent); err != nil {
		return nil, err
	}
	if c.reader, err = sql.Open("sqlite", source(path, true)); err != nil {
		return nil, err
	}
	c.reader.SetMaxOpenConns(readers)
	c.reading = &statements{db: c.reader}
	c.reader.SetMaxIdleConns(readers)
	return c, nil
}

// inMemory keeps what SQLite needs for a sort or to undo a statement off the disk:
// its temporary files would be outside of the data directory.
const inMemory = "temp_store(2)"

func source(path string, readOnly bool) string {
	q := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(1)", "secure_delete(1)", "trusted_schema(0)", "cell_size_check(1)", inMemory,
	}}
	if readOnly {
		q.Set("_pragma", "busy_timeout(10000)")
		q.Add("_pragma", "query_only(1)")
		q.Add("_pragma", "trusted_schema(0)")
		q.Add("_pragma", inMemory)
	} else {
		q.Set("_txlock", "immediate")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// inspect refuses a file that is not ours or not whole, before anything is
// written to it.
func inspect(ctx context.Context, db *sql.DB) error {
	var id, tables int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return refuse(err)
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return refuse(err)
	}
	switch {
	case id == 0 && tables == 0:
		_, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
		return worded(err)
	case id != applicationID:
		return fmt.Errorf("%w: this is a database of another application; choose another data directory", ErrDamaged)
	}
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return refuse(err)
	}
	if verdict != "ok" {
		return refuse(fmt.Errorf("%w: %s", ErrDamaged, verdict))
	}
	return nil
}

func refuse(err error) error {
	if err = worded(err); errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w; restore the file from a backup, nothing was changed", err)
	}
	return err
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	steps, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	present, known, err := steps.GetVersions(ctx)
	if err != nil {
		return worded(err)
	}
	if present > known {
		return fmt.Errorf("%w: its schema is version %d, this program knows up to %d; start the newer program", ErrNewer, present, known)
	}
	if _, err := steps.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema from version %d to %d: %w", present, known, worded(err))
	}
	return nil
}
