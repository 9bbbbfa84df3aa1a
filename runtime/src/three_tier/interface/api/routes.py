"""Routes of the project's own, beside those that are built in: closed, unless they are declared public."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, override

from fastapi import APIRouter
from fastapi.routing import APIRoute

from three_tier.interface.api.gate import GatedRoute, PublicRoute, bearer
from three_tier.interface.api.problems import REFUSED

UNAUTHORIZED = 401


class Router(APIRouter):
    """FastAPI's router, whose routes need a key like the built-in ones.

    Its decorators are FastAPI's: `@router.get("/v1/report")`. What could let a request past the keys is refused when
    the module is imported: routers of another class, mounted applications, folders of files, WebSockets.

    Args:
        prefix: Put before the path of each route.
        tags: Under which headings the documentation lists them.
        public: Everybody may call them, without a key. All callers together have the rate limit of one name.
    """

    def __init__(self, *, prefix: str = "", tags: list[str | Enum] | None = None, public: bool = False) -> None:
        super().__init__(
            prefix=prefix,
            tags=tags,
            route_class=PublicRoute if public else GatedRoute,
            dependencies=None if public else [bearer],
            responses={status: found for status, found in REFUSED.items() if status != UNAUTHORIZED or not public},
        )
        self.public = public

    @override
    def include_router(self, router: APIRouter, **options: Any) -> None:
        if not isinstance(router, Router):
            raise TypeError("A router in a Router must be a Router too, or its routes would be open to everybody.")
        if router.public != self.public:
            raise TypeError("Public routes and others need a Router each: give run both.")
        super().include_router(router, **options)

    @override
    def mount(self, path: str, *_: Any, **__: Any) -> None:
        raise _open(path)

    @override
    def host(self, host: str, *_: Any, **__: Any) -> None:
        raise _open(host)

    @override
    def frontend(self, path: str, **_: Any) -> None:
        raise _open(path)

    @override
    def add_route(self, path: str, *_: Any, **__: Any) -> None:
        raise _open(path)

    @override
    def add_websocket_route(self, path: str, *_: Any, **__: Any) -> None:
        raise _open(path)

    @override
    def add_api_websocket_route(self, path: str, *_: Any, **__: Any) -> None:
        raise _open(path)


def check(routers: Iterable[Router], built_in: Iterable[APIRouter]) -> None:
    """Find what would be open or never called.

    Raises:
        TypeError: A router is not a `Router`.
        ValueError: A route has the method and the path of a built-in one.
    """
    taken = {place for router in built_in for place in _places(router)}
    for router in routers:
        if not isinstance(router, Router):
            raise TypeError("The routes of the project must be in a Router, or they would be open to everybody.")
        for method, path in _places(router):
            if (method, path) in taken:
                raise ValueError(f"{method} {path} is built in: give the route another path.")


def _places(router: APIRouter) -> Iterable[tuple[str, str]]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in route.methods or ())


def _open(path: str) -> TypeError:
    return TypeError(f"{path} would be open to everybody: use the decorators of Router, such as @router.get.")
