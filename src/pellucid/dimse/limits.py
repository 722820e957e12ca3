"""How much a partner may make this side hold, and how long it may keep it waiting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NetworkLimits:
    """Sizes [byte], times [s] and numbers; every size is checked against what a length field says, before reading.

    `pdu_bytes`: longest P-DATA-TF PDU, which is also what partners are told. `associate_bytes`: longest
    A-ASSOCIATE PDU. `command_bytes`, `identifier_bytes`: a message's command set, and its data set where it is not
    an instance. `memory_bytes`: larger instances are received into a file. `nesting`: levels of sequences in
    an identifier. `associations`: at the same time. `association_request_s`: the ARTIM timer (PS3.8 section 9.1.5).
    `idle_s`: without a message. `message_s`: without a byte within one, and for one PDU to arrive.
    """

    pdu_bytes: int = 256 << 10
    associate_bytes: int = 1 << 20
    command_bytes: int = 64 << 10
    identifier_bytes: int = 4 << 20
    memory_bytes: int = 8 << 20
    instance_bytes: int = 4 << 30
    nesting: int = 16
    associations: int = 64
    association_request_s: float = 10.0
    idle_s: float = 120.0
    message_s: float = 30.0
