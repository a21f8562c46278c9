#!/bin/sh
# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: image.sh IMAGE
#
# A cloud image in qcow2, as distributions publish them: Debian with cloud-init, started by GRUB from the one partition.
set -eu

image=$1
work=$image.work
rm -rf "$work"
mkdir -p "$work"
# cloud-init's network of version 1 becomes files of ifupdown here.
# shellcheck disable=SC2016
mmdebstrap --quiet --variant=minbase --dpkgopt=path-exclude=/usr/share/man/* --dpkgopt=path-exclude=/usr/share/doc/* \
    --dpkgopt=path-exclude=/usr/share/locale/* --dpkgopt=force-unsafe-io \
    --include=cloud-init,ifupdown,initramfs-tools,iproute2,iputils-ping,linux-image-amd64,openssh-server,python3,sudo,systemd-sysv,udev \
    --include=python3-keystoneauth1,python3-pymysql \
    --customize-hook='echo MODULES=list > "$1/etc/initramfs-tools/conf.d/modules"' \
    --customize-hook='printf "%s\n" ext4 virtio_blk virtio_pci > "$1/etc/initramfs-tools/modules"' \
    --customize-hook='chroot "$1" update-initramfs -u -k all' \
    --customize-hook='echo "LABEL=root / ext4 defaults 0 1" > "$1/etc/fstab"' \
    --customize-hook='echo "datasource_list: [NoCloud, None]" > "$1/etc/cloud/cloud.cfg.d/90-sources.cfg"' \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*; : > "$1/etc/machine-id"' \
    bookworm "$work/root"
mkdir -p "$work/root/boot/grub"
cat > "$work/root/boot/grub/grub.cfg" << 'END'
linux /vmlinuz root=LABEL=root ro console=ttyS0 net.ifnames=0
initrd /initrd.img
boot
END
truncate -s 2G "$work/partition"
mke2fs -q -t ext4 -L root -d "$work/root" "$work/partition"
truncate -s 2049M "$work/disk"
echo 'start=2048, type=83, bootable' | sfdisk -q "$work/disk"
dd if="$work/partition" of="$work/disk" bs=1M seek=1 conv=notrunc,sparse status=none
grub-mkimage -O i386-pc -o "$work/core.img" -p '(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2 normal linux boot
dd if=/usr/lib/grub/i386-pc/boot.img of="$work/disk" bs=440 count=1 conv=notrunc status=none
dd if="$work/core.img" of="$work/disk" bs=512 seek=1 conv=notrunc status=none
qemu-img convert -O qcow2 "$work/disk" "$work/image"
mv "$work/image" "$image"
rm -rf "$work"
