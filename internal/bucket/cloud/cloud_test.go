package cloud_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/buckettest"
	"logkeep/internal/bucket/cloud"
	"logkeep/internal/bucket/cloud/cloudtest"
)

func TestS3(t *testing.T) {
	open := opener(t, cloudtest.S3(t))
	buckettest.Run(t, open)
	t.Run("patient", func(t *testing.T) {
		buckettest.Run(t, func(t *testing.T) bucket.Bucket { return &bucket.Patient{Bucket: open(t), Patience: 10 * time.Second} })
	})
}

func TestAzure(t *testing.T) { buckettest.Run(t, opener(t, cloudtest.Azure(t))) }

// opener gives an empty bucket each time.
func opener(t *testing.T, s cloudtest.Server) func(*testing.T) bucket.Bucket {
	s.Setenv(t)
	var n atomic.Int64
	place, parameters, _ := strings.Cut(s.URL, "?")
	return func(t *testing.T) bucket.Bucket { // another prefix
		c, err := cloud.Open(t.Context(), fmt.Sprintf("%s/%d?%s", place, n.Add(1), parameters))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// A store that hangs up on an object whose name is taken, instead of reading it
// to its end and refusing it, has refused it all the same.
func TestAStoreThatHangsUpOnANameThatIsTaken(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		taken := strings.HasSuffix(r.URL.Path, "/taken")
		switch {
		case r.Method == http.MethodPut && taken:
			panic(http.ErrAbortHandler)
		case r.Method == http.MethodPut:
			w.WriteHeader(http.StatusBadRequest)
		case taken:
			w.Header().Set("Content-Length", "3")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer store.Close()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	c, err := cloud.Open(t.Context(), "s3://logs?region=a&use_path_style=true&endpoint="+store.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Put(t.Context(), "taken", []byte("row")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := c.Put(t.Context(), "free", []byte("row")); err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, bucket.ErrRefused) {
		t.Errorf("a name that is free: %v", err)
	}
}

// What is wrong is said, and no credential is taken from or shown with a URL.
func TestURLs(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"ftp://x", `"ftp" is no kind of object store`},
		{"s3://AKIA:SECRET@bucket", "credentials don't belong into the URL"},
		{"azblob://logs?sas_token=SECRET", "looks like a credential"},
		{"s3://bucket?region=a&secretkey=SECRET", "looks like a credential"},
		{"s3://bucket?nosuch=1", "nosuch"},
		{"s3://bucket/a%20b?region=a", "the prefix"},
		{"s3://b%zz", "is no URL"},
	} {
		_, err := cloud.Open(t.Context(), c.url)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.url, err)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("the message shows a secret: %v", err)
		}
	}
}
