"""`python -m bench.serving.bare PORT FAR_URL`: a reverse proxy of aiohttp's server and client and nothing else."""

import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web

_PREFIX = 4
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "authorization"})


async def _main(port: int, far_url: str) -> None:
    async with aiohttp.ClientSession() as client:

        async def passed(request: web.Request) -> web.StreamResponse:
            path = "/" + "/".join(request.raw_path.split("/")[_PREFIX:])
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
            headers["Authorization"] = "Bearer key-1"
            body = request.content if request.can_read_body else None
            async with client.request(request.method, far_url + path, headers=headers, data=body) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
                reply = web.StreamResponse(status=answer.status, headers=kept)
                await reply.prepare(request)
                async for piece in answer.content.iter_any():
                    await reply.write(piece)
                await reply.write_eof()
                return reply

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", passed)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), sys.argv[2]))
