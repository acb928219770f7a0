//! One entry a series: its running value, which a scrape shows, and its open windows, which are pushed.
