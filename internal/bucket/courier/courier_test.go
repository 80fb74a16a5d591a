package courier_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"testing"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/buckettest"
	"logkeep/internal/bucket/courier"
	"logkeep/internal/schema"
)

func serve(t *testing.T, judge courier.Judge) *courier.Client {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: courier.Handler(judge)}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return courier.NewClient(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	})
}

func TestClient(t *testing.T) {
	buckettest.Run(t, func(t *testing.T) bucket.Bucket {
		m := buckettest.New()
		return serve(t, func(context.Context, schema.AccountID, bool) (bucket.Bucket, error) { return m, nil })
	})
}

// Who may not is refused, whatever the name looks like.
func TestJudged(t *testing.T) {
	m := buckettest.New()
	m.Damage("b/x", []byte("another's"))
	c := serve(t, func(_ context.Context, a schema.AccountID, change bool) (bucket.Bucket, error) {
		if a != "a" || change {
			return nil, fmt.Errorf("account %s: %w", a, bucket.ErrRefused)
		}
		return m, nil
	})
	ctx := t.Context()
	for name, err := range map[string]error{
		"change":   c.Put(ctx, "a/x", []byte("1")),
		"replace":  c.Replace(ctx, "a/x", []byte("1")),
		"remove":   c.Remove(ctx, "b/x"),
		"read":     second(c.ReadAt(ctx, "b/x", make([]byte, 1), 0)),
		"size":     second(c.Size(ctx, "b/x")),
		"list":     second(c.List(ctx, "b/")),
		"list all": second(c.List(ctx, "")),
		"part":     second(c.List(ctx, "a")),
		"dots":     second(c.ReadAt(ctx, "a/../b/x", make([]byte, 1), 0)),
		"account":  second(c.Size(ctx, "a")),
	} {
		if err == nil || errors.Is(err, fs.ErrNotExist) && name != "dots" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Size(ctx, "a/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what one may see and is not there: %v", err)
	}
	if string(m.Bytes("b/x")) != "another's" {
		t.Error("it was changed")
	}
}

func second[T any](_ T, err error) error { return err }
