"""The dashboard: pages for a browser, a desktop panel and a phone.

A process of its own that is a client of host.sock and of nothing else. `login_sessions` has who is
logged in, `guard` what a browser may ask for, `middleware` requires both of each request that
`web_listener` takes, `form_actions` is what forms do, `control_socket` what `web-login` asks.

`hive_picture` and `agent_picture` read what all open pages show, once for all of them, by
`hive_client`. A page is made of parts with keys (`rendering`, `live_lists`); `page_answers` answers
with it and sends the parts that change. `overview_page`, `agent_page`, `approval_pages`,
`mail_pages` and `list_pages` are the pages, `tool_texts` and `agent_plots` what is drawn on that of
an agent.

`operator_account` has `passkeys`, a second way to log in, and the devices that are notified:
`push_rules` is what they are notified of and when, `push_watch` does it, `push_sending` speaks to
push services, `push_subscriptions` is what is kept. `account_pages` and `needs_you_page` are their
pages. `app` joins all of it, and `serving` runs it as `web_settings` says.
"""
