# Revocation while two edges of four processes each serve 1,000 requests a
# second: the command is quick, and the last request that is let in comes no
# later than a second after it returned; so too while the news of it are cut
# (AK-09, AK-10).  WEIR_ROUNDS=50 for the long form.

use strict;
use warnings;

use lib 't/lib';
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(time sleep);
use Weir::Keys;
use Weir::Load;
use Weir::RedisProxy;
use Weir::Stack;
use Weir::Tool;

my $rounds = $ENV{WEIR_ROUNDS} // 10;
my $cut = $ENV{WEIR_ROUNDS} // 2;
my $slow = $ENV{WEIR_ROUNDS} ? 0.2 : 0.5;       # beside other tests

my %common = (processes => 4, location => 'weir_auth on; return 200 "in";',
              http => 'keepalive_requests 1000000;',
              server => 'location /metrics { weir_metrics; }');

my $one = Weir::Stack->new(%common, weir_redis => 'timeout=500ms');
my $d = $one->dir;
my $pepper = "$d/pepper";

$one->{key_conf} = "weir_key_store pepper=$pepper zone=keys:1m ttl=3s;";
$one->keys;

# the second edge asks Redis through a proxy, which can be told to break

my $two = Weir::Stack->new(%common, edge_of => $one,
                           key_conf => $one->{key_conf},
                           weir_redis => "unix:$d/proxy.sock timeout=500ms");

$one->start('redis');
my $proxy = Weir::RedisProxy->new(path => "$d/proxy.sock",
                                  to => "$d/redis.sock");
$_->start('nginx') for $one, $two;

my $tool = Weir::Tool->new(redis => "$d/redis.sock");


# a process that does it over and over, until it is killed

sub meanwhile {
    my ($code) = @_;

    my $pid = fork // die "fork: $!";
    return $pid if $pid;

    while (1) {
        eval { $code->(); 1 } or POSIX::_exit(1);
        sleep 0.001;
    }
}


sub command {
    my (@args) = @_;

    my $pid = fork // die "fork: $!";
    return $pid if $pid;

    $ENV{WEIR_REDIS} = "unix:$d/redis.sock";
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    exec $tool->{tool}, @args or POSIX::_exit(1);
}


# one round: the time of the command, and of the last answer let in after it

sub round {
    my ($rate, $tail) = @_;

    my $new = $tool->json(qw(keys create), '--pepper', $pepper,
                          qw(--owner alice));
    my $load = Weir::Load->new(ports => [$one->port, $two->port],
                               rate => $rate,
                               head => "X-API-Key: $new->{key}\r\n");
    my ($pid, $called, $returned);
    my $start = time;

    my @seen = $load->run(sub {
        if (!$pid && time > $start + 0.4) {
            $called = time;
            $pid = command(qw(keys revoke), $new->{id});
        }

        if ($pid && !$returned && waitpid($pid, WNOHANG) == $pid) {
            $returned = time;
            die 'revoke failed' if $?;
        }

        return $returned && time > $returned + $tail;
    });

    my @in = grep { $_->[2] == 200 } @seen;
    my @out = grep { $_->[2] != 200 } @seen;

    return {
        took => $returned - $called,
        last => $in[-1][1] - $returned,
        served => scalar(grep { $_->[1] < $called } @in)
                  / ($called - $start),
        other => join(' ', grep { $_ != 401 } map { $_->[2] } @out),
        early => scalar(grep { $_->[1] < $called } @out),
    };
}


sub rounds {
    my ($name, $n, $rate, $bound) = @_;

    my (@last, @took, $bad);

    for (1 .. $n) {
        my $r = round($rate, $bound + 0.1);

        $bad //= "another status: $r->{other}" if $r->{other};
        $bad //= "refused before: $r->{early}" if $r->{early};
        $bad //= "only $r->{served} a second" if $r->{served} < $rate * 0.7;
        push @last, $r->{last};
        push @took, $r->{took};
    }

    @$_ = sort { $a <=> $b } @$_ for \@last, \@took;

    is($bad, undef, "$name: what was answered");
    cmp_ok($last[-1], '<=', $bound,
           "$name: $n of $n rounds, the last one let in after the command");
    cmp_ok($took[-1], '<=', $slow, "$name: the command");
    diag(sprintf '%s: %d rounds, last let in %.3f s after (median %.3f), '
         . 'command %.3f s', $name, $n, $last[-1], $last[@last / 2],
         $took[-1]);
}


rounds('AK-09', $rounds, 1000, 1);


# the news are not to be had: each request asks

$one->redis(qw(ACL SETUSER default -xrange));
$one->wait_log('nginx', qr/news of keys cannot be read.*NOPERM/, 5);
rounds('AK-09, no permission', $cut, 1000, 1);
$one->redis(qw(ACL SETUSER default +xrange));


# they vanish before anybody has read them

my $pid = meanwhile(sub { $one->redis('DEL', 'weir:{keys}:news') });
rounds('AK-09, news deleted', $cut, 1000, 1);
kill 'KILL', $pid;
waitpid $pid, 0;


# the count of changes too, as after a loss of all data but the records

$pid = meanwhile(sub {
    $one->redis('DEL', 'weir:{keys}:news', 'weir:{keys}:changes');
});
rounds('AK-09, count deleted', $cut, 1000, 1);
kill 'KILL', $pid;
waitpid $pid, 0;


# one of both edges gets no answer to its polls but an error

$proxy->rules({ on => 'EXEC', with => 'XRANGE', reply => "-ERR cut\r\n" });
$two->wait_log('nginx', qr/news of keys cannot be read.*EXECABORT|ERR cut/, 5);
rounds('AK-09, polls cut', $cut, 400, 1);
$proxy->rules();


# no answer to anything: then the ttl is the bound, as it is documented

$proxy->mode(mute => 1);

my $new = $tool->json(qw(keys create), '--pepper', $pepper, qw(--owner alice));
is($two->ask('/', no_key => 1, headers => ["X-API-Key: $new->{key}"])->status,
   503, 'AK-23: no answer, no word about the key');

$proxy->mode(mute => 0);
my @ask = ('/', no_key => 1, headers => ["X-API-Key: $new->{key}"]);
$two->wait_for(10, sub { $two->ask(@ask)->status == 200 }, 'asked again');
$proxy->mode(mute => 1);
my $muted = time;

$tool->run(qw(keys revoke), $new->{id});
my $returned = time;
$two->wait_for(10, sub { $two->ask(@ask)->status == 503 }, 'the ttl');
cmp_ok(time - $muted, '<', 4.5, 'AK-10: no longer than the ttl');
$proxy->mode(mute => 0);
$two->wait_for(10, sub { $two->ask(@ask)->status == 401 }, 'restored');
is($one->ask(@ask)->status, 401, 'AK-10: and refused when it is restored');

rounds('AK-09, afterwards', 1, 1000, 1);

$one->expect(qr/news of keys cannot be read/);
$_->end for $two, $one;

done_testing();
