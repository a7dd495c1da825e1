"""Work on pixels that needs no model: resizing, masks, colours. Pillow and numpy only; exact to the webui where it has the same step."""
