"""A SIP phone over WebSocket (RFC 7118), made of Python's websockets: it asks for OPTIONS, registers
with digest, sends a keep-alive, removes its registration and closes. It prints what it got.

usage: websocket_phone.py URL USER PASSWORD CERTIFICATE
"""

import asyncio
import hashlib
import re
import secrets
import ssl
import sys

import websockets

REALM_AND_NONCE = re.compile(r'realm="([^"]*)".*nonce="([^"]*)"', re.S)


def request(method, headers):
    lines = [
        f"{method} sip:exchange.invalid SIP/2.0",
        f"Via: SIP/2.0/{TRANSPORT} {OWN};branch=z9hG4bK{secrets.token_hex(8)}",
        "Max-Forwards: 70",
        f"From: <sip:{USER}@exchange.invalid>;tag=python",
        f"To: <sip:{USER}@exchange.invalid>",
        *headers,
        "Content-Length: 0",
    ]
    return "\r\n".join(lines) + "\r\n\r\n"


def register(number, expires, authorization=None):
    headers = [
        f"Call-ID: register-{OWN}",
        f"CSeq: {number} REGISTER",
        f"Contact: <sip:{USER}@{OWN};transport=ws>;expires={expires}",
        "Supported: path, outbound",
    ]
    return request("REGISTER", headers + ([authorization] if authorization else []))


def digest(challenge):
    """The answer to a challenge with MD5 (RFC 2617)."""
    header = next(l for l in challenge.split("\r\n") if l.startswith("WWW-Authenticate") and "MD5" in l)
    realm, nonce = REALM_AND_NONCE.search(header).groups()
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
    uri, client_nonce = "sip:exchange.invalid", secrets.token_hex(8)
    own, asked = md5(f"{USER}:{realm}:{PASSWORD}"), md5(f"REGISTER:{uri}")
    answer = md5(f"{own}:{nonce}:00000001:{client_nonce}:auth:{asked}")
    return (
        f'Authorization: Digest username="{USER}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
        f'response="{answer}", algorithm=MD5, qop=auth, nc=00000001, cnonce="{client_nonce}"'
    )


async def ask(socket, message, name):
    await socket.send(message)
    answer = await asyncio.wait_for(socket.recv(), 10)
    answer = answer if isinstance(answer, str) else answer.decode()
    print(name, answer.split(" ")[1])
    return answer


async def main():
    context = ssl.create_default_context(cafile=CERTIFICATE) if URL.startswith("wss") else None
    async with websockets.connect(URL, subprotocols=["sip"], ssl=context) as socket:
        print("subprotocol", socket.subprotocol)
        await ask(socket, request("OPTIONS", [f"Call-ID: options-{OWN}", "CSeq: 1 OPTIONS"]), "OPTIONS")
        challenge = await ask(socket, register(1, 600), "REGISTER")
        accepted = await ask(socket, register(2, 600, digest(challenge)), "REGISTER")
        if OWN in accepted:
            print("contact of its own")
        await socket.send("\r\n\r\n")
        if (await asyncio.wait_for(socket.recv(), 10)) in ("\r\n", b"\r\n"):
            print("keep-alive answered")
    print("closed in good order" if socket.close_code == 1000 else f"closed with {socket.close_code}")


URL, USER, PASSWORD, CERTIFICATE = sys.argv[1:]
TRANSPORT = "WSS" if URL.startswith("wss") else "WS"
OWN = secrets.token_hex(6) + ".invalid"
asyncio.run(main())
