"""Initial row of the built-in site: Head-Fi's classifieds (XenForo 2 with a custom add-on).

The class names are those that two independent public bots agree on; no page of the site could be read
when this was written.  To check them: ``celery -A workers.app listings preview head_fi``.
"""

SELECTORS = {
    "card": "a.hfcUserListing",
    "title": ".hfcListingTitle",
    "price": ".hfcPrice",
    "type": ".hfcPrice .label",
    "image": "img.hfcCoverImage--clear",
    "seller": ".hfcCreatorInfo",
    "fields": ".hfcCustomFields dl",
    "listed": ".hfcListingDate time",
    "edited": ".hfcLastEditDate time",
    "overlay": ".hfcOverlayGlobal--content",
    "next": "a.pageNav-jump--next",
}
#: The number at the end of /classifieds/SLUG.12345/ or /classifieds/12345/.
ID_PATTERN = r"(?:\.|/)(\d+)/?$"
