"""The pages of the slow shops by Scrapy, an upsert a page; run by an environment of its own, see bench_pages."""

import sys
import time

import psycopg
import scrapy
from scrapy.crawler import CrawlerProcess

DSN, URL = sys.argv[1:3]
SHOPS, CATEGORIES, PAGES, AT_ONCE = (int(size) for size in sys.argv[3:7])
TABLE = """
create table listing (shop text, number text, title text, price text, kind text, seller text, listed text,
    seen_at timestamptz default clock_timestamp(), primary key (shop, number))
"""
UPSERT = """
insert into listing (shop, number, title, price, kind, seller, listed)
select * from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
on conflict (shop, number) do update
   set title = excluded.title, price = excluded.price, kind = excluded.kind, seller = excluded.seller,
       listed = excluded.listed, seen_at = clock_timestamp()
"""


class Shops(scrapy.Spider):
    name = "shops"
    stored = 0
    custom_settings = {
        "CONCURRENT_REQUESTS": AT_ONCE,
        "CONCURRENT_REQUESTS_PER_DOMAIN": AT_ONCE,
        "DOWNLOAD_DELAY": 0,
        "ROBOTSTXT_OBEY": True,
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
    }

    async def start(self):
        for shop in range(1, SHOPS + 1):
            for category in range(1, CATEGORIES + 1):
                yield scrapy.Request(f"{URL}/s{shop}/c{category}/", cb_kwargs={"shop": f"s{shop}"})

    def parse(self, response, shop):
        rows = [
            (
                shop,
                ad.css("::attr(href)").re_first(r"\.(\d+)/"),
                ad.css(".hfcListingTitle::text").get(),
                "".join(ad.css(".hfcPrice ::text").getall()),
                ad.css(".hfcPrice .label::text").get(),
                "".join(ad.css(".hfcCreatorInfo ::text").getall()),
                ad.css(".hfcListingDate time::attr(datetime)").get(),
            )
            for ad in response.css("a.hfcUserListing")
        ]
        database.execute(UPSERT, [list(column) for column in zip(*rows, strict=True)])
        Shops.stored += 1
        following = response.css("a.pageNav-jump--next::attr(href)").get()
        if following:
            yield response.follow(following, cb_kwargs={"shop": shop})


database = psycopg.connect(DSN, autocommit=True)
database.execute(TABLE)
process = CrawlerProcess()
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
process.crawl(Shops)
process.start()
print("done", Shops.stored, time.monotonic() - began, flush=True)
sys.stdin.readline()
