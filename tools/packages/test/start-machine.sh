#!/bin/sh
# Becomes a Debian machine whose files are this one's, and whose changes to them are in memory and its own: run in
# namespaces of mounts, processes and cgroups. $1 is an empty folder, and $2 a folder that it shows as /packages.
set -e
memory=$1
packages=$2
mount --make-rprivate /
mount -t tmpfs tmpfs "$memory"
mkdir "$memory/upper" "$memory/work" "$memory/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$memory/upper,workdir=$memory/work" "$memory/root"
cd "$memory/root"
mkdir -p packages outside
mount --bind "$packages" packages
mount -t proc proc proc
# As a container has them: nothing that is set in there is set out here.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=1777 tmpfs var/tmp
# Nothing of this host's is started in there, and no agent that this host has is known.
rm -rf usr/lib/systemd/system/*.wants etc/systemd/system/*.wants usr/sbin/policy-rc.d var/lib/sallyport-agent etc/sallyport
printf '[Unit]\nDescription=A machine for a test\n' >etc/systemd/system/machine.target
pivot_root . outside
umount -l /outside
# As systemd itself makes them where it is not in a container: services get credentials by a mount.
mount --make-rshared /
exec env -i container=sallyport-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=machine.target --log-target=console --log-level=notice
