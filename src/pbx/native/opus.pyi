from typing_extensions import Buffer

available: bool

class Codec:
    def encode(self, samples: Buffer) -> bytes: ...
    def decode(self, packet: Buffer) -> bytes: ...
