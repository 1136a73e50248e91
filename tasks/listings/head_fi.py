"""What the built-in site begins with: Head-Fi's classifieds (XenForo 2 with an add-on of its own).

No page of it could be read when this was written: the class names are those that two independent
public bots agree on.  The row in table `site` is what scrapes use; this is what a new installation
puts there.  To check it: ``celery -A workers.app listings preview head_fi``.
"""

from __future__ import annotations

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
#: An ad's number is the last in its address: /classifieds/SLUG.12345/ or /classifieds/12345/.
ID_PATTERN = r"(?:\.|/)(\d+)/?$"
