"""`loyalty vectors`: worked examples in the format of the specifications, through the core."""

import typer

app = typer.Typer(
    help="Run worked examples through the core.", add_completion=False, rich_markup_mode="markdown"
)


@app.callback()
def vectors() -> None:
    """Run worked examples through the core."""
