package builtin

import "logkeep/internal/kql/native"

// textRows parse and make texts of certain forms: URLs, paths, base64, versions.
func textRows() []Function {
	var rows []Function
	add := func(eval func([]any) (any, error), sig, doc string, names ...string) {
		rows = append(rows, Function{Names: names, Sig: sig, Go: eval, Doc: doc})
	}
	add(native.ParseURL, "(url:text) dynamic", "The parts of a URL.", "parse_url", "parseurl")
	add(native.ParseURLQuery, "(query:text) dynamic", "The parameters of a URL's query.", "parse_urlquery", "parseurlquery")
	add(native.ParsePath, "(path:text) dynamic", "The parts of a file's path.", "parse_path")
	add(native.ParseVersion, "(version:text) decimal", "A number by which versions can be compared.", "parse_version")
	add(native.ParseUserAgent, "(agent:text, parts:scalar?) dynamic", "Browser, operating system and device of a user agent.", "parse_user_agent")
	add(native.ParseCommandLine, "(command:astext, parser:string) dynamic", "The arguments of a command line.", "parse_command_line")
	add(native.Base64Encode, "(text) string", "Text as base64.", "base64_encode_tostring", "base64_encodestring")
	add(native.Base64Decode, "(text) string", "Text of base64, empty if it is none.", "base64_decode_tostring", "base64_decodestring")
	add(native.Base64DecodeArray, "(text) dynamic", "The bytes of base64.", "base64_decode_toarray")
	add(native.Base64EncodeArray, "(bytes:dynamic) string", "Bytes as base64.", "base64_encode_fromarray")
	add(native.Base64EncodeGUID, "(guid) string", "The bytes of a guid as base64.", "base64_encode_fromguid")
	add(native.Base64DecodeGUID, "(text) guid", "A guid of base64.", "base64_decode_toguid")
	add(native.URLEncode, "(text) string", "Text as it stands in a URL's query.", "url_encode")
	add(native.URLEncodeComponent, "(text) string", "Text as it stands in a URL.", "url_encode_component")
	add(native.URLDecode, "(text) string", "Text from a URL.", "url_decode")
	add(native.Codepoints, "(astext) dynamic", "The code points of a text.", "unicode_codepoints_from_string", "to_utf8")
	add(native.CodepointsText, "(values:scalar...) string", "A text of code points.", "unicode_codepoints_to_string", "make_string")
	add(native.GzipCompress, "(text) string", "Text compressed with gzip, as base64.", "gzip_compress_to_base64_string")
	add(native.GzipDecompress, "(text) string", "Text of gzip in base64.", "gzip_decompress_from_base64_string")
	add(native.ZlibCompress, "(text) string", "Text compressed with zlib, as base64.", "zlib_compress_to_base64_string")
	add(native.ZlibDecompress, "(text) string", "Text of zlib in base64.", "zlib_decompress_from_base64_string")
	add(native.Translate, "(from:string, to:string, text) string", "Characters exchanged for others.", "translate")
	add(native.ToTitle, "(text) string", "Words with a capital at their start.", "totitle")
	add(native.IsASCII, "(astext) bool", "Whether all characters are ASCII.", "isascii")
	add(native.IsUTF8, "(astext) bool", "Whether a text is UTF-8.", "isutf8")
	add(native.RegexQuote, "(astext) string", "Text that a regular expression takes literally.", "regex_quote")
	add(native.PunycodeTo, "(text) string", "Text in Punycode.", "punycode_from_string")
	add(native.PunycodeFrom, "(text) string", "Text from Punycode.", "punycode_to_string")
	add(native.PunycodeDomainTo, "(text) string", "A domain name, its labels in Punycode where they need it.", "punycode_domain_to_string")
	add(native.PunycodeDomainFrom, "(text) string", "A domain name from labels in Punycode.", "punycode_domain_from_string")
	return rows
}
