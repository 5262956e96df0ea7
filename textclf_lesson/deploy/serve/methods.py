"""What HTTP asks of a server beside its routes: HEAD and OPTIONS, and a sentence for every other refusal."""

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send


class HeadAsGet:
    """Middleware: HEAD is answered as GET is. The server (uvicorn) sends the headers alone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = scope | {"method": "GET"}  # a copy: the server remembers that it was HEAD
        await self.app(scope, receive, send)


async def refuse(request: Request, error: HTTPException) -> Response:
    """The answer for an address that there is not, or that is asked by the wrong method; OPTIONS gets the right ones.

    It gives no permission to pages of other sites (CORS): a reverse proxy may.
    """
    headers = dict(error.headers or {})
    path = request.url.path[:100]
    if error.status_code == 405:
        allowed = {method.strip() for method in headers["Allow"].split(",")}
        allowed |= {"HEAD"} if "GET" in allowed else set()
        headers["Allow"] = ", ".join(sorted(allowed | {"OPTIONS"}))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        sentence = f"{request.method[:20]} is not possible at {path}: use {' or '.join(sorted(allowed))}."
    elif error.status_code == 404:
        sentence = f"There is nothing at {path}: POST to /classify; /openapi.json describes the service."
    else:
        sentence = f"{error.detail}."
    return JSONResponse({"detail": sentence}, error.status_code, headers)
