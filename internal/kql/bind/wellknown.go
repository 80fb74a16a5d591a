package bind

// wellKnown are functions that queries expect of a workspace, as texts of the
// language over its tables. A saved function of the name comes before them; a
// workspace without the table lacks them.
func (b *binder) wellKnown(name string) (string, bool) {
	text := ""
	switch name {
	case "_GetWatchlist":
		text = getWatchlist
	case "_GetWatchlistAlias":
		text = getWatchlistAlias
	default:
		return "", false // and the published tables are not unpacked for it
	}
	_, ok := b.cat.Table("Watchlist")
	return text, ok
}

// getWatchlist gives the items of a watchlist as they are now, with what they
// hold as columns: a later row of an item replaces earlier ones.
const getWatchlist = `(watchlistAlias:string, keys:dynamic = dynamic([])) {
Watchlist
| where _DTItemType == "watchlist-item" and WatchlistAlias == watchlistAlias
| where array_length(keys) == 0 or SearchKey in (keys)
| summarize arg_max(_DTTimestamp, _DTItemStatus, LastUpdatedTimeUTC, SearchKey, WatchlistItem) by _DTItemId
| where _DTItemStatus != "Delete"
| project _DTItemId, LastUpdatedTimeUTC, SearchKey, WatchlistItem, _fields = WatchlistItem
| evaluate bag_unpack(_fields, columnsConflict="keep_source")
}`

const getWatchlistAlias = `() {
Watchlist
| where _DTItemType == "watchlist"
| summarize arg_max(_DTTimestamp, _DTItemStatus) by WatchlistAlias
| where _DTItemStatus != "Delete"
| project WatchlistAlias
}`
