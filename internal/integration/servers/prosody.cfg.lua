-- Debian's default modules, with neither server-to-server links nor limits on rates.
run_as_root = true -- in a test's own folder, on loopback
data_path = "{{.Dir}}"
certificates = "{{.Dir}}"
log = { info = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { {{.Port}} }
http_interfaces = { "127.0.0.1" }
http_ports = { {{.WebPort}} }
https_ports = { }
authentication = "internal_plain"
c2s_require_encryption = {{not .Plain}}
allow_unencrypted_plain_auth = {{.Plain}}
consider_websocket_secure = true -- it is on loopback
modules_disabled = { "s2s" }
modules_enabled = {
	"disco", "roster", "saslauth", "tls",
	"blocklist", "bookmarks", "carbons", "pep", "private", "smacks", "vcard4", "vcard_legacy",
	"ping", "time", "uptime", "version",
	"websocket",
}

VirtualHost "{{.Domain}}"
	ssl = { key = "{{.Key}}", certificate = "{{.Certificate}}" }
