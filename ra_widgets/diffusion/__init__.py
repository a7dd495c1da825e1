"""The only room that imports torch and diffusers: noise, schedules, samplers, guidance, pipelines.

Importing this package itself imports nothing heavy; import the module you need, e.g. ``ra_widgets.diffusion.sampling``.
"""
