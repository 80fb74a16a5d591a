package native

// settled reports whether the text of an array or a bag is what it would be
// written as: nothing blank between its parts, no escaped or foreign characters,
// whole numbers only. Most of what programs log is, and need not be taken apart
// and put together again. It may say no of a text that is.
func settled(text string) bool {
	if text == "" || text[0] != '{' && text[0] != '[' {
		return false
	}
	r := settledReader{text: text}
	return r.value(0) && r.at == len(text)
}

type settledReader struct {
	text string
	at   int
}

func (r *settledReader) take(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *settledReader) value(depth int) bool {
	if r.at >= len(r.text) || depth >= maxNesting {
		return false
	}
	switch c := r.text[r.at]; c {
	case '"':
		return r.str()
	case '{', '[':
		return r.list(c, depth+1)
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	}
	return r.number()
}

func (r *settledReader) list(open byte, depth int) bool {
	r.at++
	if r.take(open + 2) {
		return true
	}
	for {
		if open == '{' && !(r.str() && r.take(':')) {
			return false
		}
		if !r.value(depth) {
			return false
		}
		if r.take(open + 2) {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

func (r *settledReader) word(w string) bool {
	if len(r.text)-r.at < len(w) || r.text[r.at:r.at+len(w)] != w {
		return false
	}
	r.at += len(w)
	return true
}

func (r *settledReader) str() bool {
	if !r.take('"') {
		return false
	}
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return true
		case c < ' ' || c > '~' || c == '\\':
			return false
		}
	}
	return false
}

// number takes whole numbers that are sure to fit.
func (r *settledReader) number() bool {
	r.take('-')
	from := r.at
	for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
		r.at++
	}
	n := r.at - from
	if n == 0 || n > 18 || r.text[from] == '0' && (n > 1 || from > 0 && r.text[from-1] == '-') {
		return false
	}
	return r.at >= len(r.text) || r.text[r.at] != '.' && r.text[r.at]|0x20 != 'e' && r.text[r.at] != '+' && r.text[r.at] != '-'
}
