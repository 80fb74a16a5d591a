// Package cloud opens buckets of cloud services: S3 and what speaks its
// protocol, and Azure Blob Storage.
//
//	s3://BUCKET[/PREFIX]?region=…&endpoint=…&use_path_style=true
//	azblob://CONTAINER[/PREFIX]?storage_account=…&domain=…&protocol=…
//
// Everything after "?" goes to gocloud.dev/blob, whose documentation lists it.
// Credentials never stand in a URL, which is shown and logged: they come from
// the environment or the files that the services' own tools use.
//
// S3 has to do conditional writes (If-None-Match on PutObject), which AWS does
// since 2024 and most of the compatible servers do: Check finds out.
package cloud

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"logkeep/internal/bucket"
)

// A Cloud is a bucket.Bucket of a cloud service. It tries nothing again but what
// the services' own libraries do.
type Cloud struct {
	bucket *blob.Bucket
	where  string
}

var _ bucket.Bucket = (*Cloud)(nil)

// secret names parameters that would put a credential into a URL.
var secret = [...]string{"sas", "token", "key", "secret", "password", "sig"}

// Open opens the bucket that a URL names. It does not speak to it yet.
func Open(ctx context.Context, raw string) (*Cloud, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("storage is no URL: %w", errors.Unwrap(err)) // the whole would be in the message
	}
	if u.User != nil {
		return nil, errors.New("storage: credentials don't belong into the URL; set them in the environment (AWS_ACCESS_KEY_ID, AZURE_STORAGE_KEY …)")
	}
	for name := range u.Query() {
		for _, word := range secret {
			if strings.Contains(strings.ToLower(name), word) && !strings.EqualFold(name, "kmskeyid") {
				return nil, fmt.Errorf("storage: the parameter %q looks like a credential, which doesn't belong into the URL; set it in the environment (AWS_ACCESS_KEY_ID, AZURE_STORAGE_KEY …)", name)
			}
		}
	}
	prefix := strings.Trim(path.Clean("/"+u.Path), "/")
	u.Path = ""
	var mux blob.URLMux
	mux.RegisterBucket(s3blob.Scheme, &s3blob.URLOpener{})
	// The package's own opener knows how to find credentials, and is reached by
	// the default multiplexer only.
	var b *blob.Bucket
	switch u.Scheme {
	case s3blob.Scheme:
		b, err = mux.OpenBucketURL(ctx, u)
	case azureblob.Scheme:
		b, err = blob.DefaultURLMux().OpenBucketURL(ctx, u)
	default:
		return nil, fmt.Errorf("storage: %q is no kind of object store that this version knows; use file:///…, s3://… or azblob://…", u.Scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("storage %s: %w", u.Scheme+"://"+u.Host, err)
	}
	c := &Cloud{bucket: b, where: u.Scheme + "://" + u.Host}
	if prefix != "" {
		if err := bucket.CheckName(prefix); err != nil {
			return nil, fmt.Errorf("storage: the prefix %q may have letters, digits, \"-\", \"_\", \".\" and \"/\" only", prefix)
		}
		c.bucket, c.where = blob.PrefixedBucket(b, prefix+"/"), c.where+"/"+prefix
	}
	return c, nil
}

// String names the place, without parameters.
func (c *Cloud) String() string { return c.where }

// Close ends it.
func (c *Cloud) Close() error { return c.bucket.Close() }

// Check demands that the bucket does what is asked of it: that an object is
// read as it was written, and that a second Put of a name is refused. Stores that
// ignore the condition would let two servers overwrite each other's rows.
func (c *Cloud) Check(ctx context.Context) error {
	var random [16]byte
	rand.Read(random[:]) // crypto/rand never fails
	name, text := "probe/"+hex.EncodeToString(random[:]), random[:]
	if err := c.Put(ctx, name, text); err != nil {
		return fmt.Errorf("storage %s can't be written: %w", c.where, err)
	}
	defer c.Remove(context.WithoutCancel(ctx), name)
	have := make([]byte, len(text))
	if _, err := c.ReadAt(ctx, name, have, 0); err != nil {
		return fmt.Errorf("storage %s can't be read: %w", c.where, err)
	}
	if string(have) != string(text) {
		return fmt.Errorf("storage %s does not give back what was written", c.where)
	}
	if err := c.write(ctx, name, []byte("another"), true); !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("storage %s does not do conditional writes (If-None-Match), without which two servers could overwrite each other's rows; use a store that does (the second write answered: %v)", c.where, err)
	}
	return nil
}

// Put implements bucket.Bucket.
//
// A store may refuse a name that is taken before it has read the object, and hang
// up: then the sender sees a broken connection, not the refusal. So whatever
// failed for an unknown reason is looked up. The name may also be taken by this
// very Put, whose answer was lost; bucket.Patient tells the two apart.
func (c *Cloud) Put(ctx context.Context, name string, b []byte) error {
	err := c.write(ctx, name, b, true)
	if err == nil || ctx.Err() != nil || errors.Is(err, fs.ErrExist) || errors.Is(err, bucket.ErrRefused) {
		return err
	}
	if _, absent := c.Size(ctx, name); absent == nil {
		return fs.ErrExist
	}
	return err
}

// Replace implements bucket.Bucket.
func (c *Cloud) Replace(ctx context.Context, name string, b []byte) error {
	return c.write(ctx, name, b, false)
}

func (c *Cloud) write(ctx context.Context, name string, b []byte, once bool) error {
	// Not WriteAll: its writer for Azure panics when a condition is not met.
	err := c.bucket.Upload(ctx, name, bytes.NewReader(b), &blob.WriterOptions{IfNotExist: once, ContentType: "application/octet-stream", MaxConcurrency: 2})
	return c.meaning(ctx, err)
}

// Remove implements bucket.Bucket.
func (c *Cloud) Remove(ctx context.Context, name string) error {
	err := c.meaning(ctx, c.bucket.Delete(ctx, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// List implements bucket.Reader.
func (c *Cloud) List(ctx context.Context, prefix string) (all []bucket.Info, err error) {
	it := c.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(ctx)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			if err = c.meaning(ctx, err); errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w: it has no such bucket", bucket.ErrRefused)
			}
			return nil, err
		}
		if !o.IsDir {
			all = append(all, bucket.Info{Name: o.Key, Size: o.Size})
		}
	}
}

// Size implements bucket.Reader.
func (c *Cloud) Size(ctx context.Context, name string) (int64, error) {
	a, err := c.bucket.Attributes(ctx, name)
	if err != nil {
		return 0, c.meaning(ctx, err)
	}
	return a.Size, nil
}

// ReadAt implements bucket.Reader.
func (c *Cloud) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s: %w", name, fs.ErrInvalid)
	}
	if len(p) == 0 {
		return 0, nil
	}
	r, err := c.bucket.NewRangeReader(ctx, name, off, int64(len(p)), nil)
	if err != nil {
		if err = c.meaning(ctx, err); errors.Is(err, errRange) {
			return 0, io.EOF
		}
		return 0, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, p)
	size := r.Size()
	switch {
	case err == nil:
		return n, nil
	case (err == io.EOF || err == io.ErrUnexpectedEOF) && off+int64(n) >= size:
		return n, io.EOF
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return n, fmt.Errorf("the answer broke off after %d of %d bytes", n, len(p)) // and is tried again
	}
	return n, c.meaning(ctx, err)
}

// errRange reports that a range begins at or after the end.
var errRange = errors.New("past the end")

// meaning says an error in the words of package bucket. What it does not know
// it takes for passing.
func (c *Cloud) meaning(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	code := ""
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		code = e.ErrorCode
	} else if e, ok := errors.AsType[interface {
		error
		ErrorCode() string
	}](err); ok {
		code = e.ErrorCode()
	}
	switch code {
	case "InvalidRange":
		return errRange
	case "NoSuchBucket", "ContainerNotFound":
		return fmt.Errorf("%w: it has no such bucket (%s)", bucket.ErrRefused, code)
	case "AuthenticationFailed", "AuthorizationFailure", "AuthorizationPermissionMismatch", "InvalidAuthenticationInfo", "AccessDenied",
		"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccountIsDisabled", "InvalidResourceName":
		return fmt.Errorf("%w: %s", bucket.ErrRefused, code)
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New("its name can't be resolved") // which the library takes for an object that is not there
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return fs.ErrNotExist
	case gcerrors.FailedPrecondition, gcerrors.AlreadyExists:
		return fs.ErrExist
	case gcerrors.PermissionDenied:
		return fmt.Errorf("%w: %s", bucket.ErrRefused, brief(err))
	}
	return errors.New(brief(err))
}

// brief is an error's first line: those of cloud libraries fill pages, with the
// request in them.
func brief(err error) string {
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return fmt.Sprintf("it answered %d %s", e.StatusCode, e.ErrorCode)
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
