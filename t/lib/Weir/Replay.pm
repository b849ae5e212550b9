package Weir::Replay;

# Sends the requests of a log (Weir::Workload) over many connections that are
# kept alive, and counts by tier what Cache-Status says of the answers:
#
#     my $r = Weir::Replay::replay($log, ports => [$a->port, $b->port],
#                                  keys => { acme => $key, ... });
#
# Each answer is looked at: it has to be the one to its question, with the
# tokens that the log knows and a "ttl" of its tier; its id tells the run that
# it came of, which is of one question of one tenant, and led by one request.
# What is wrong stands in {wrong}, the first of it in words.  {late} is by how
# many ms the replay was behind the log at worst, answers included.
#
# compare() tells what is not as it was predicted, table() prints both.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);
use Weir::Workload;

use constant { TIMEOUT => 30, TTL_LOST => 900 };


# replay(LOG, ports, keys => { TENANT => KEY }, connections (64))

sub replay {
    my ($log, %o) = @_;

    my @ports = @{ $o{ports} };
    my $f = { %o, log => $log, next => 0, late => 0, idle => [], busy => {},
              select => IO::Select->new, run => {}, of => {}, wrong => [],
              faults => 0, row => { all => row(), map { $_ => row() }
                                                  @{ $log->{tiers} } } };

    push @{ $f->{idle} }, connection($ports[$_ % @ports])
        for 0 .. ($o{connections} // 64) - 1;
    $f->{select}->add(map { $_->{socket} } @{ $f->{idle} });

    $f->{start} = time;

    while ($f->{next} < @{ $log->{ask} } || %{ $f->{busy} }) {
        send_due($f);
        receive($f);
    }

    $f->{elapsed} = time - $f->{start};
    delete @$f{qw(idle busy select)};

    return $f;
}


sub row {
    return { %{ Weir::Workload::row() }, joined => 0 };
}


sub connection {
    my ($port) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                     PeerPort => $port, Proto => 'tcp')
        or die "connect to port $port: $!";

    return { socket => $socket, in => '' };
}


sub send_due {
    my ($f) = @_;

    my $asks = $f->{log}{ask};

    while (@{ $f->{idle} } && $f->{next} < @$asks) {
        my $ask = $asks->[$f->{next}];
        my $due = $f->{log}{pace} ? $f->{start} + $ask->{at} / 1000 : time;

        return if time < $due;

        my $c = shift @{ $f->{idle} };
        $f->{next}++;
        @$c{qw(ask due at in)} = ($ask, $due, time, '');
        $f->{busy}{fileno $c->{socket}} = $c;

        my $out = request($ask, $f->{keys}{ $ask->{tenant} });
        my $n = syswrite $c->{socket}, $out;
        die 'replay: a request was not sent' if ($n // 0) != length $out;
    }
}


sub receive {
    my ($f) = @_;

    my @ready = $f->{select}->can_read($f->{log}{pace} ? 0.002 : 1);

    for my $socket (@ready) {
        my $c = $f->{busy}{fileno $socket} // die 'replay: closed while idle';

        sysread $socket, $c->{in}, 65536, length $c->{in}
            or die "replay: closed after \"$c->{in}\"";

        my ($status, $head, $body) = answer($c->{in}) or next;
        my $late = (time - $c->{due}) * 1000;

        $f->{late} = $late if $late > $f->{late};
        delete $f->{busy}{fileno $socket};
        push @{ $f->{idle} }, $c;
        judge($f, $c->{ask}, $status, $head, $body);
    }

    # one that is never answered ends the replay

    if (!@ready && (my ($c) = grep { time - $_->{at} > TIMEOUT }
                              values %{ $f->{busy} }))
    {
        die 'replay: no answer within ' . TIMEOUT . ' s: '
            . request($c->{ask}, '...') . "\n";
    }
}


# the parts of a whole answer

sub answer {
    $_[0] =~ /\AHTTP\/1\.1 (\d+)[^\n]*\n(.*?\r\n)\r\n/s or return;

    my ($status, $head, $end) = ($1, $2, $+[0]);

    if ($head =~ /^Transfer-Encoding: chunked\r$/mi) {
        return if substr($_[0], -7) ne "\r\n0\r\n\r\n";
        return ($status, $head, unchunked(substr $_[0], $end));
    }

    my ($length) = $head =~ /^Content-Length: (\d+)/mi
        or die "replay: an answer of unknown length:\n$head";

    return if length $_[0] < $end + $length;

    return ($status, $head, substr $_[0], $end, $length);
}


sub unchunked {
    my ($in) = @_;

    my $out = '';

    while ($in =~ /\G([0-9a-f]+)\r\n/gci) {
        $out .= substr $in, pos $in, hex $1;
        pos($in) += 2 + hex $1;
    }

    return $out;
}


sub request {
    my ($ask, $key) = @_;

    my $jobs = $ask->{route} eq 'jobs';
    my $body = body($ask);
    my $path = '/v1/chat/completions';

    if ($jobs) {
        $path = "/v1/jobs";
        $body = qq({"request":$body});
    }

    return join "\r\n", "POST $path HTTP/1.1", 'Host: localhost',
                        "Authorization: Bearer $key",
                        'Content-Type: application/json',
                        ($jobs ? 'Prefer: wait=20' : ()),
                        'Content-Length: ' . length $body, '', $body;
}


# one question in other words

sub body {
    my ($ask) = @_;

    my $text = Weir::Workload::text($ask->{question});
    my $model = "tier-$ask->{tier}";
    my $way = $ask->{spelling};
    my $more = $ask->{temperature} eq '-' ? ''
               : qq(,"temperature":$ask->{temperature});

    $more .= ',"stream":true,"stream_options":{"include_usage":true}'
        if $ask->{route} eq 'stream';

    return qq({"model":"$model","messages":[{"role":"user","content":"$text"}])
           . "$more}"
        if $way == 0;

    return qq({\n  "messages": [ { "content": "$text", "role": "user" } ],\n)
           . qq(  "model": "$model"$more\n}\n)
        if $way == 1;

    return qq({"model":"$model","user":"u$ask->{at}","messages":[{"role":)
           . qq("user","content":[{"type":"text","text":"$text"}]}]$more})
        if $way == 2;

    if ($way == 3) {
        $text =~ s/([aeiou])/sprintf '\u%04x', ord $1/ge;
        $model =~ s/-/\\u002D/;
        return qq({"messages":[{"role":"user","content":"$text"}],"model":)
               . qq("$model"$more});
    }

    return qq({"metadata":{"at":"$ask->{at}"},"seed":null,"model":"$model",)
           . qq("messages":[{"role":"user","content":"$text"}]$more});
}


sub judge {
    my ($f, $ask, $status, $head, $body) = @_;

    my ($said) = $head =~ /^Cache-Status: ([^\r\n]*)/mi;
    my $did = what($said // '', $ask->{route} eq 'stream');

    if ($status != 200 || !$did) {
        return wrong($f, $ask, "status $status, Cache-Status \""
                               . ($said // '') . "\": $body");
    }

    my ($input, $output, $id, $text) = parts($ask, $body);

    wrong($f, $ask, "not its answer: $body")
        if $text ne Weir::Workload::answer(
                        Weir::Workload::text($ask->{question}));
    wrong($f, $ask, "$input and $output tokens")
        if $input != $ask->{input} || $output != $ask->{output};

    judge_run($f, $ask, $did, $id);
    judge_ttl($f, $ask, $1) if $said =~ /; ttl=(-?\d+)/;
    judge_job($f, $ask, $did, $body) if $ask->{route} eq 'jobs';

    my $cost = Weir::Workload::cost($f->{log}, { %$ask, input => $input,
                                                 output => $output });

    for my $row ($f->{row}{all}, $f->{row}{ $ask->{tier} }) {
        $row->{requests}++;
        $row->{cacheable}++ if $did ne 'bypass';

        if ($did eq 'hit' || $did eq 'joined') {
            $row->{$did eq 'hit' ? 'hits' : 'joined'}++;
            $row->{saved_input} += $input;
            $row->{saved_output} += $output;
            $row->{saved_cost} += $cost;

        } else {
            $row->{bypass}++ if $did eq 'bypass';
            $row->{calls}++;
            $row->{spent_cost} += $cost;
        }
    }
}


# a stream begins before anybody knows whether it is worth keeping

sub what {
    my ($said, $stream) = @_;

    $said =~ s/^(weir; fwd=uri-miss)$/$1; stored/ if $stream;

    return $said =~ /^weir; hit; ttl=\d/                 ? 'hit'
           : $said =~ /^weir; fwd=uri-miss\b.*collapsed/ ? 'joined'
           : $said =~ /^weir; fwd=uri-miss; stored/      ? 'miss'
           : $said =~ /^weir; fwd=bypass$/               ? 'bypass'
           :                                               '';
}


# (input tokens, output tokens, id, text) of an answer in any framing

sub parts {
    my ($ask, $body) = @_;

    my ($input) = $body =~ /"prompt_tokens":(\d+)/;
    my ($output) = $body =~ /"completion_tokens":(\d+)/;
    my ($id) = $body =~ /"id":"chatcmpl-(\w+)"/;
    my $text = join '', $body =~ /"content":"([^"]*)"/g;

    return ($input // -1, $output // -1, $id // '', $text);
}


# a run is of one question of one tenant, and the one who leads it says so

sub judge_run {
    my ($f, $ask, $did, $id) = @_;

    my $key = Weir::Workload::key($f->{log}, @$ask{qw(tenant question)});
    $key .= "/$ask->{at}/$f->{next}" if $did eq 'bypass';

    wrong($f, $ask, "has the answer of $f->{of}{$id}")
        if ($f->{of}{$id} //= $key) ne $key;

    return if $did eq 'bypass';

    my $run = $f->{run}{$key}{$id} //= { led => 0 };
    $run->{led}++ if $did eq 'miss';
    wrong($f, $ask, "run $id was led twice") if $run->{led} > 1;
}


sub judge_ttl {
    my ($f, $ask, $ttl) = @_;

    my $whole = $f->{log}{tier}{ $ask->{tier} }{ttl};

    wrong($f, $ask, "ttl=$ttl, of $whole")
        if $ttl > $whole || $ttl < $whole - TTL_LOST;
}


# a job that asked nobody costs nothing

sub judge_job {
    my ($f, $ask, $did, $body) = @_;

    my ($cached) = $body =~ /"cached":(\w+)/;
    my ($cost) = $body =~ /"cost_usd":"([\d.]+)"/;
    my $should = $did eq 'miss' || $did eq 'bypass'
                 ? Weir::Workload::cost($f->{log}, $ask) : 0;

    wrong($f, $ask, "$did, but cached: " . ($cached // 'none'))
        if ($cached // '') ne ($did eq 'hit' ? 'true' : 'false');
    wrong($f, $ask, "$did, but cost_usd: " . ($cost // 'none'))
        if ($cost // '') ne sprintf '%.6f', $should / 1e6;
}


sub wrong {
    my ($f, $ask, $what) = @_;

    $f->{faults}++;
    push @{ $f->{wrong} }, join(' ', @$ask{qw(at tenant tier question route
                                              spelling)}, $what)
        if @{ $f->{wrong} } < 10;
}


# compare(REPLAY, PREDICTION): what differs, in words

sub compare {
    my ($f, $p) = @_;

    my ($run, $log) = @$f{qw(run log)};
    my @different = @{ $f->{wrong} };

    push @different, "and more, $f->{faults} in all"
        if $f->{faults} > @different;

    for my $tier (@{ $log->{tiers} }, 'all') {
        my ($is, $should) = ($f->{row}{$tier}, $p->{$tier});
        my %is = (%$is, hits => $is->{hits} + $is->{joined});

        push @different, map { "$tier: $_ $is{$_}, predicted $should->{$_}" }
                         grep { $is{$_} != $should->{$_} } sort keys %$should;
    }

    for my $key (sort keys %{ $p->{question} }) {
        my @runs = values %{ $run->{$key} // {} };
        my $led = grep { $_->{led} } @runs;
        my $should = $p->{question}{$key};

        # who has the answer of an earlier replay leads nobody

        push @different, "$key: " . @runs . " runs, $led led, "
                         . "predicted $should"
            if @runs != ($should || 1) || $led != $should;
    }

    return @different;
}


# counts(MOCK'S COUNT, METRICS OF EACH EDGE, COST THAT THE WORKER COUNTED,
# PREDICTION): the same from the servers: ([name, is, predicted], ...)

sub counts {
    my ($calls, $metrics, $spent, $p) = @_;

    my $sum = sub {
        my ($name) = @_;
        my $n = 0;

        for my $text (@$metrics) {
            $n += $_ for $text =~ /^$name (\d+)$/mg;
        }
        return $n;
    };

    my $of = sub { $sum->('weir_cache_requests_total\{[^}]*result="'
                          . "$_[0]\"\\}") };
    my $all = $p->{all};

    return (
        ['calls at the LLM', $calls, $all->{calls}],
        ['hit and joined in /metrics', $of->('hit') + $of->('joined'),
         $all->{hits}],
        ['miss in /metrics', $of->('miss'), $all->{calls} - $all->{bypass}],
        ['bypass in /metrics', $of->('bypass'), $all->{bypass}],
        (map { ["$_ tokens saved in /metrics",
                $sum->("weir_cache_saved_tokens_total\\{kind=\"$_\"\\}"),
                $all->{"saved_$_"}] } qw(input output)),
        ['cost saved in /metrics',
         $sum->('weir_cache_saved_cost_microdollars_total'),
         $all->{saved_cost}],
        ['cost in metrics of the worker', $spent, $all->{spent_cost}],
    );
}


sub ratio {
    my ($hits, $row) = @_;

    return $row->{cacheable} ? $hits / $row->{cacheable} : 0;
}


# table(REPLAY, PREDICTION): text

sub table {
    my ($f, $p) = @_;

    my $text = sprintf "%-5s %8s %8s %8s %8s %8s %8s %9s %10s %11s\n",
                       qw(tier requests bypass calls hits joined ratio
                          predicted tokens saved/USD);

    for my $tier (@{ $f->{log}{tiers} }, 'all') {
        my $row = $f->{row}{$tier};

        $text .= sprintf "%-5s %8d %8d %8d %8d %8d %8.4f %9.4f %10d %11.6f\n",
            $tier, @$row{qw(requests bypass calls hits joined)},
            ratio($row->{hits} + $row->{joined}, $row),
            ratio($p->{$tier}{hits}, $p->{$tier}),
            $row->{saved_input} + $row->{saved_output},
            $row->{saved_cost} / 1e6;
    }

    return $text;
}


1;
