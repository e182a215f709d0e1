"""The report on result files: one HTML page that needs nothing else, or Markdown for an issue.

Records go in (see `accel.bench.result.file`), `view.build` makes of them what is to be said, and `html.render` or
`markdown.render` say it. Nothing here measures, judges by itself or leaves a case out.
"""
