"""Images for containers of machined: what a Debian one is made of, and how one is built whole.

`debian_steps` says what is run, `own_wheel` packs the harness of the daemon's own version,
`image_place` publishes an image at once or not at all, and `image_building` puts them together.
"""
