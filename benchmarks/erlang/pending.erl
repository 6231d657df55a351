%% Copyright 2026 The untilack authors.
%% Use of this source code is governed by the BSD 2-clause
%% license that can be found in the LICENSE file.

%% The way a server in Erlang does it: a table (ETS) of what waits, and a timer for
%% each packet. One process puts packets and settles each when as many were put
%% after it as wait.
-module(pending).
-export([main/2]).

-define(SENDERS_EACH, 4).
-define(ACK_WAIT, 30000).

%% main prints the nanoseconds of a pair, those of the harness alone, and the bytes of
%% a packet that waits.
main(Waiting, Pairs) ->
    Recipients = max(1, min(100000, Waiting div 10)),
    Table = ets:new(pending, [set, public, {write_concurrency, true}]),
    Before = memory(),
    fill(Table, Recipients, 0, Waiting),
    Memory = (memory() - Before) / Waiting,
    %% Once round before it counts: what was just filled has no holes yet.
    pairs(Table, Recipients, Waiting, Waiting, Waiting),
    Pair = timed(Pairs, fun() -> pairs(Table, Recipients, Waiting, 2 * Waiting, Pairs) end),
    Null = timed(Pairs, fun() -> nulls(Recipients, Waiting, Waiting, Pairs) end),
    Waiting = ets:info(Table, size),
    io:format("~.1f ~.1f ~.1f~n", [Pair, Null, Memory]),
    halt(0).

memory() ->
    erlang:garbage_collect(),
    erlang:memory(total).

timed(Pairs, Do) ->
    Start = erlang:monotonic_time(nanosecond),
    Do(),
    (erlang:monotonic_time(nanosecond) - Start) / Pairs.

fill(_, _, _, 0) -> ok;
fill(Table, Recipients, N, Left) ->
    put(Table, N, Recipients),
    fill(Table, Recipients, N + 1, Left - 1).

pairs(_, _, _, _, 0) -> ok;
pairs(Table, Recipients, Waiting, N, Left) ->
    put(Table, N, Recipients),
    settle(Table, N - Waiting, Recipients),
    pairs(Table, Recipients, Waiting, N + 1, Left - 1).

nulls(_, _, _, 0) -> ok;
nulls(Recipients, Waiting, N, Left) ->
    ?MODULE = used(stanza(key(N, Recipients)), key(N - Waiting, Recipients)),
    nulls(Recipients, Waiting, N + 1, Left - 1).

%% used keeps the compiler from leaving out what nobody looks at.
used(Stanza, {_, _, Id}) when byte_size(Stanza) =:= 400, byte_size(Id) =:= 36 -> ?MODULE.

put(Table, N, Recipients) ->
    Key = key(N, Recipients),
    Timer = erlang:start_timer(?ACK_WAIT, self(), Key),
    ets:insert(Table, {Key, stanza(Key), Timer}).

settle(Table, N, Recipients) ->
    [{_, _, Timer}] = ets:take(Table, key(N, Recipients)),
    true = is_integer(erlang:cancel_timer(Timer)).

%% key returns the key of a packet: two addresses of 24 bytes, and an id of 36.
key(N, Recipients) ->
    Mixed = erlang:phash2(N),
    Recipient = Mixed rem Recipients,
    Sender = Recipient * ?SENDERS_EACH + Mixed rem ?SENDERS_EACH,
    {<<(high(Recipient)):32, (low(Recipient)):32, "@montague.london">>,
     <<(high(Sender)):32, (low(Sender)):32, "@tybalt.lit/tomb">>,
     <<(high(N)):32, (low(N)):32, "-4b1d-4184-8184-0a1b", (high(Mixed)):32, (low(Mixed)):32>>}.

%% high and low return the eight digits of a number. A binary that begins with another
%% would be made with room to grow, which costs time and memory.
high(N) -> low(N bsr 16).

low(N) ->
    (digit((N bsr 12) band 15) bsl 24) bor (digit((N bsr 8) band 15) bsl 16)
        bor (digit((N bsr 4) band 15) bsl 8) bor digit(N band 15).

%% digit returns a digit without a branch, which could not be predicted.
digit(D) -> $0 + D + ((D + 6) bsr 4) * ($a - $9 - 1).

%% stanza returns the message: 400 bytes.
stanza({To, From, Id}) ->
    <<"<message type='chat' to='", To/binary, "' from='", From/binary, "' id='", Id/binary, "'><body>"
      "My lord, dispatch; My lord, dispatch; My lord, dispatch; My lord, dispatch; "
      "My lord, dispatch; My lord, dispatch; My lord, dispatch; My lord, dispatch; "
      "My lord, dispatch; My lord, dispatch; My lord, dispatch; My lord"
      "</body><request xmlns='urn:xmpp:receipts'/></message>">>.
