package Weir::Fleet;

# What the tests of limits over the fleet share.
#
#     my ($a, $b) = Weir::Fleet::pair(http => '...', location => '...');
#     my $proxy = Weir::Fleet::behind_proxy($a, 'timeout=300ms');
#     Weir::Fleet::ready($a);
#
# pair(OPTIONS): two nginx on one Redis, not started.  Both have /m (metrics)
# and /static (no limit).  The other functions take one of them.

use strict;
use warnings;

use Weir::RedisProxy;
use Weir::Stack;

my $server = 'location = /m { weir_metrics; }
              location = /static { return 200 "static\n"; }';


sub pair {
    my (%o) = @_;

    my $more = delete $o{server} // '';
    my $a = Weir::Stack->new(%o, server => $server . $more);
    my $b = Weir::Stack->new(%o, server => $server . $more, edge_of => $a);

    return ($a, $b);
}


# Its Redis must run.  All that it says goes through the proxy.

sub behind_proxy {
    my ($stack, $parameters) = @_;

    my $path = $stack->dir . '/proxy.sock';
    my $proxy = Weir::RedisProxy->new(path => $path,
                                      to => $stack->home . '/redis.sock');

    $stack->{weir_redis} = "unix:$path " . ($parameters // '');

    return $proxy;
}


# one of weir_limit_fleet_..., or undef

sub metric {
    my ($stack, $name) = @_;

    my $body = $stack->ask('/m', no_key => 1)->body;

    return $body =~ /^weir_limit_fleet_\Q$name\E (\d+)$/m ? $1 : undef;
}


# every process has its connection

sub ready {
    my ($stack) = @_;

    my $n = $stack->{processes} // 2;

    $stack->wait_for(10, sub { metric($stack, 'ready') == $n },
                     'connections for limits');
}


# the name that a state, or a set, has in Redis; the key is up to 15 bytes

sub name {
    my ($what, $zone, $key) = @_;

    return "weir:{0}:$what:$zone:" . unpack 'H*', pack 'a15C', $key,
                                                  length $key;
}


# units that Redis knows to be used; undef: nothing

sub used {
    my ($stack, $zone, $key) = @_;

    my $state = $stack->redis('GET', name('limit', $zone, $key)) // return;

    return (split ' ', $state)[0] / 1e6;
}


# members of a set

sub places {
    my ($stack, $zone, $key) = @_;

    return $stack->redis('ZCARD', name('slots', $zone, $key));
}


1;
