# A reload with 100,000 keys in shared memory, under load: nobody is refused,
# and Redis is not asked for them again (AK-24).  WEIR_KEYS for another number.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Weir::Client;
use Weir::Keys;
use Weir::Load;
use Weir::Stack;
use Weir::Tool;

my $n = $ENV{WEIR_KEYS} // 100_000;

my $stack = Weir::Stack->new(
    location => 'weir_auth on; return 200 "in";',
    http => 'keepalive_requests 1000000; access_log off;',
    server => 'location /metrics { weir_metrics; }');
my $d = $stack->dir;

$stack->{key_conf} = "weir_key_store pepper=$d/pepper zone=keys:40m ttl=10m;";

$stack->start('redis');

my $tool = Weir::Tool->new(redis => "$d/redis.sock");
$tool->json(qw(keys create), '--pepper', "$d/pepper", qw(--owner alice));
my $keys = Weir::Keys->new(pepper => "$d/pepper");

my @all;
open my $f, '>', "$d/many" or die "$!";

for (1 .. $n) {
    my ($key, $line) = $keys->make("o$_");
    push @all, $key;
    print $f $line;
}

close $f;

my ($rc, undef, $err) = $tool->run(qw(keys import --file), "$d/many");
is($rc, 0, "$n keys are imported") or diag $err;

# news of exactly two polls: the third one finds nothing, and is the end

$stack->redis(qw(XTRIM weir:{keys}:news MAXLEN 1000));
is($stack->redis(qw(XLEN weir:{keys}:news)), 1000, 'whole polls of news');

$stack->start('nginx');


sub metrics {
    my $c = $stack->ask('/metrics', no_key => 1);
    return map { /^weir_(\S+) (\d+)$/ ? ($1 => $2) : () } split /\n/, $c->body;
}

# asked(KEY...): how many are let in, by many clients at once

sub asked {
    my (@keys) = @_;

    my $in = 0;

    while (my @part = splice @keys, 0, 2000) {
        my @clients = map {
            my @some = splice @part, 0, 100;

            Weir::Client->new(port => $stack->port, raw => join '', map {
                "GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: $some[$_]\r\n"
                . ($_ == $#some ? "Connection: close\r\n" : '') . "\r\n"
            } 0 .. $#some);
        } 1 .. (@part + 99) / 100;

        for my $c (@clients) {
            $c->wait(20, sub { $_[0]{eof} });
            $in += () = ($c->head . $c->body . $c->{in}) =~ m{HTTP/1.1 200 }g;
        }
    }

    return $in;
}


$stack->wait_for(10, sub { my %m = metrics(); $m{key_polls_total} > 2 },
                 'the news');
is(asked(@all), $n, 'all are let in');

my %m = metrics();
is($m{key_cache_evictions_total}, 0, 'none was evicted');


# the reload, while one key is asked for all the time

my %old = map { $_ => 1 } $stack->children('nginx');
my $load = Weir::Load->new(ports => [$stack->port], rate => 500,
                           head => "X-API-Key: $all[0]\r\n");
my ($told, $start) = (0, time);

my @seen = $load->run(sub {
    if (!$told && time > $start + 0.3) {
        $stack->signal('nginx', 'HUP');
        $told = time;
    }

    return $told && time > $told + 2
           && !grep { $old{$_} } $stack->children('nginx');
});

my %status;
$status{$_->[2]}++ for @seen;
is(join(' ', keys %status), '200', 'AK-24: everybody is let in meanwhile');

my %before = metrics();
is(asked(@all), $n, 'AK-24: and all of them afterwards');
my %after = metrics();

is($after{'key_lookups_total{cache="miss"}'},
   $before{'key_lookups_total{cache="miss"}'}, 'AK-24: from the same zone');
is($after{key_cache_resets_total}, 0, 'which is whole');

$stack->end;

done_testing();
