package catalog

import (
	"context"
	"fmt"
)

// AuditMark returns how far a diagnostic setting, named by its resource id, has
// taken the records of its vault; 0 if it has taken none.
func (r Records) AuditMark(ctx context.Context, setting string) (int64, error) {
	found, err := query(ctx, r.read(), func(scan func(...any) error) (mark int64, err error) { return mark, scan(&mark) },
		"SELECT mark FROM audit_marks WHERE setting = ?", fold(setting))
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0], nil
}

// SetAuditMark notes how far a diagnostic setting has come.
func (r Records) SetAuditMark(ctx context.Context, setting string, mark int64) error {
	return r.change(ctx, func(tx *Tx) error {
		if _, err := tx.exec(ctx, "INSERT INTO audit_marks (setting, mark) VALUES (?1,?2) ON CONFLICT DO UPDATE SET mark = ?2", fold(setting), mark); err != nil {
			return fmt.Errorf("note how far %s has come: %w", setting, err)
		}
		return nil
	})
}

// ForgetAuditMark forgets a diagnostic setting. One that is not there is no error.
func (r Records) ForgetAuditMark(ctx context.Context, setting string) error {
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM audit_marks WHERE setting = ?", fold(setting))
		return err
	})
}
