# Worker processes are killed while all of them store and answer from one zone
# that is too small for all: nobody gets a torn answer or another one's, the
# zone stays within its bounds, and no lock is left behind.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $KILLS = 200;

my $s = Weir::Stack->new(processes => 4,
    http => 'weir_cache_zone answers 512k;',
    location => 'weir_api; weir_cache zone=answers scope=shared;
                 keepalive_requests 100000;',
    server => 'location = /metrics { weir_metrics; }');

$s->start;


# questions whose answers have 1 to 200 blocks, and what is answered

my @sizes = ((map { 50 * $_ } 1 .. 40), (9_000, 16_000, 30_000) x 7,
             (40_000) x 5, (90_000, 190_000) x 2);
my (@body, @want);

for my $i (0 .. $#sizes) {
    $body[$i] = '{"model":"mock-1","messages":[{"role":"user","content":'
                . "\"[[mock size=$sizes[$i] tag=kill]] question $i\"}]}";
    $want[$i] = $s->ask('/v1/chat/completions', body => $body[$i])->body;
    die $want[$i] if length $want[$i] < $sizes[$i];
}

sub metric {
    my ($name) = @_;
    my ($n) = $s->ask('/metrics', no_key => 1)->body
              =~ /^weir_cache_zone_\Q$name\E (\d+)$/m or die $name;
    return $n;
}

my ($chance, %n) = (1, 200 => 0, lost => 0, wrong => 0);

sub chance {
    $chance = ($chance * 1103515245 + 12345) & 0x7fffffff;
    return ($chance >> 8) % $_[0];
}

sub ask {
    my ($c) = @_;

    $c->{question} = chance(scalar @body);
    $c->{in} = '';

    my $text = $body[$c->{question}];

    local $SIG{PIPE} = 'IGNORE';

    syswrite $c->{socket}, join "\r\n", 'POST /v1/chat/completions HTTP/1.1',
        'Host: localhost', 'Authorization: Bearer ' . $s->key,
        'Content-Type: application/json', 'Content-Length: ' . length $text,
        '', $text;
}

my $select = IO::Select->new;
my %open;

sub join_in {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                     PeerPort => $s->port, Proto => 'tcp')
        or die "connect: $!";
    my $c = $open{fileno $socket} = { socket => $socket };

    $select->add($socket);
    ask($c);
}

sub answered {
    my ($c) = @_;

    $c->{in} =~ /\AHTTP\/1\.1 (\d+)[^\n]*\n(.*?)\r\n\r\n/s or return;

    my ($status, $head, $size) = ($1, $2, $+[0]);
    my ($length) = $head =~ /^Content-Length: (\d+)/mi or die $c->{in};

    return if length $c->{in} < $size + $length;

    $n{$status}++;
    $n{hits}++ if $head =~ /^Cache-Status: weir; hit/mi;

    if ($status == 200
        && substr($c->{in}, $size) ne $want[$c->{question}])
    {
        $n{wrong}++;
        diag("question $c->{question}: ", substr $c->{in}, 0, 1000);
    }

    return 1;
}


# all of them work on, whoever is killed

my ($kills, $answers, $next, $end) = (0, 0, 0, time + 60);

join_in() for 1 .. 16;

while ($kills < $KILLS) {
    die 'answers are missing: ' . join ' ', %n if time > $end;

    for my $socket ($select->can_read(1)) {
        my $c = $open{fileno $socket};

        if (!sysread $socket, $c->{in}, 262144, length $c->{in}) {
            $n{lost}++;
            $select->remove($socket);
            join_in();
            next;
        }

        next if !answered($c);

        $answers++;
        ask($c);
    }

    next if $answers < $next;

    my @children = $s->children('nginx');
    next if @children < 4;

    my $victim = $children[chance(4)];

    $s->expect(qr/worker process $victim exited on signal/);
    $s->expect(qr/zone "answers" was locked by $victim/);
    kill 'KILL', $victim;
    $kills++;
    $next = $answers + 10 + chance(20);
}

$select->remove($_->{socket}) for values %open;
%open = ();

note(join ' ', map { "$_: $n{$_}" } sort keys %n);
note('emptied ' . metric('resets_total{zone="answers"}') . ' times');

is($n{wrong}, 0, 'RC-22: no answer is torn, or another one\'s');
is($n{200}, $answers, 'all were answered, but by those who were killed');
cmp_ok($n{lost}, '>', 0, 'who were at work');
cmp_ok($n{hits}, '>', $answers * 0.9, 'from what is stored');
is($s->calls('kill'), scalar @body, 'the LLM was asked once for each');
cmp_ok(metric('used_bytes{zone="answers"}'), '<=',
       metric('bytes{zone="answers"}'), 'the zone is within its bounds');
cmp_ok(metric('evictions_total{zone="answers"}'), '>', 1000,
       'and was always too small');

$s->wait_for(10, sub { $s->children('nginx') == 4 }, 'all are there');

for my $i (0 .. $#body) {
    next if $s->ask('/v1/chat/completions', body => $body[$i])->body
            eq $want[$i];
    fail("question $i");
}

my $hits = metric('lookups_total{zone="answers",result="hit"}');
$s->ask('/v1/chat/completions', body => $body[0]) for 1 .. 40;
cmp_ok(metric('lookups_total{zone="answers",result="hit"}'), '>=', $hits + 39,
       'no lock is left, and the zone is used');


# A process that is killed while it changes the zone: its lock is freed by the
# master, and the flag says that the zone is torn.

SKIP: {
    my ($victim) = $s->children('nginx');
    my ($lock, $shelf) = zone($victim);
    skip 'the memory of a process cannot be read', 4 if !$shelf;

    my $resets = metric('resets_total{zone="answers"}');

    kill 'STOP', $victim;
    poke($victim, $lock, pack 'Q', $victim);    # the lock is its
    poke($victim, $shelf, pack 'L', 1);         # and it is busy

    $s->expect(qr/worker process $victim exited on signal/);
    $s->expect(qr/zone "answers" was locked by $victim/);
    kill 'KILL', $victim;

    is($s->ask('/v1/chat/completions', body => $body[1])->body, $want[1],
       'a torn zone answers nothing');
    is(metric('resets_total{zone="answers"}'), $resets + 1,
       'it was emptied, which is counted');
    is(metric('entries{zone="answers"}'), 1, 'and filled anew');
    is($s->ask('/v1/chat/completions', body => $body[1])->body, $want[1],
       'and works');
}

$s->end;

done_testing();


# zone(PID): where the lock and the shelf are.  The zone is shared memory that
# begins with its lock; the shelf begins a page, and has its buckets just behind
# it.

sub zone {
    my ($pid) = @_;

    no warnings 'portable';
    open my $mem, '<:raw', "/proc/$pid/mem" or return;

    for (split /\n/, Weir::Stack::slurp("/proc/$pid/maps")) {
        my ($from, $to) = map { hex } /^(\w+)-(\w+) rw-s .*zero/ or next;
        next if $to - $from != 512 * 1024;

        for (my $page = $from; $page < $to; $page += 4096) {
            sysseek $mem, $page, 0;
            sysread($mem, my $text, 40) == 40 or next;
            my ($busy, $buckets) = unpack 'L x28 Q', $text;
            return ($from, $page) if $busy == 0 && $buckets > $page
                                     && $buckets < $page + 512;
        }
    }

    return;
}

sub poke {
    my ($pid, $at, $text) = @_;

    open my $mem, '+<:raw', "/proc/$pid/mem" or die $!;
    sysseek $mem, $at, 0;
    syswrite($mem, $text) == length $text or die $!;
}
