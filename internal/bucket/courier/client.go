package courier

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"logkeep/internal/bucket"
)

// A Client is a bucket.Bucket behind the keeper.
type Client struct{ http *http.Client }

var _ bucket.Bucket = (*Client)(nil)

// NewClient returns a Client whose connections open makes.
func NewClient(open func(context.Context) (net.Conn, error)) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return open(ctx) },
		DisableCompression: true, MaxIdleConnsPerHost: 32,
	}}}
}

// do sends one request and returns an answer of 200, whose body is to be closed.
func (c *Client) do(ctx context.Context, method, name string, q url.Values, body []byte) (*http.Response, error) {
	u := "http://keeper" + Path
	if name != "" {
		u += "/" + name
	}
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	var from io.Reader
	if body != nil {
		from = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, u, from)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("ask the keeper for objects: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxWords))
	if err != nil {
		return nil, fmt.Errorf("ask the keeper for objects: %w", err)
	}
	if len(text) == 0 {
		text = []byte(answer.Status + ": object " + name)
	}
	return nil, errorOf(answer.StatusCode, string(text))
}

// change sends a request whose answer has no body.
func (c *Client) change(ctx context.Context, method, name string, q url.Values, body []byte) error {
	answer, err := c.do(ctx, method, name, q, body)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// Put implements bucket.Bucket.
func (c *Client) Put(ctx context.Context, name string, b []byte) error {
	return c.change(ctx, http.MethodPut, name, url.Values{"once": {"1"}}, b)
}

// Replace implements bucket.Bucket.
func (c *Client) Replace(ctx context.Context, name string, b []byte) error {
	return c.change(ctx, http.MethodPut, name, nil, b)
}

// Remove implements bucket.Bucket.
func (c *Client) Remove(ctx context.Context, name string) error {
	return c.change(ctx, http.MethodDelete, name, nil, nil)
}

// List implements bucket.Reader.
func (c *Client) List(ctx context.Context, prefix string) (all []bucket.Info, err error) {
	answer, err := c.do(ctx, http.MethodGet, "", url.Values{"prefix": {prefix}}, nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxList)).Decode(&all); err != nil {
		return nil, fmt.Errorf("list objects %s: %w", prefix, err)
	}
	return all, nil
}

// Size implements bucket.Reader.
func (c *Client) Size(ctx context.Context, name string) (int64, error) {
	answer, err := c.do(ctx, http.MethodHead, name, nil, nil)
	if err != nil {
		return 0, err
	}
	answer.Body.Close()
	return answer.ContentLength, nil
}

// ReadAt implements bucket.Reader.
func (c *Client) ReadAt(ctx context.Context, name string, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		part := p[n:min(len(p), n+maxRead)]
		got, err := c.readAt(ctx, name, part, off+int64(n))
		if n += got; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *Client) readAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	answer, err := c.do(ctx, http.MethodGet, name, url.Values{"off": {strconv.FormatInt(off, 10)}, "n": {strconv.Itoa(len(p))}}, nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	n, err := io.ReadFull(answer.Body, p)
	if answer.Header.Get("End") == "1" && int64(n) == answer.ContentLength && n < len(p) {
		return n, io.EOF
	}
	if err != nil {
		return n, fmt.Errorf("read object %s: %w", name, err)
	}
	return n, nil
}
