using System.Globalization;

namespace Beam.ML.Vllm.Engine;

/// <summary>How much memory this process may still take.</summary>
internal static class SystemMemory
{
    /// <summary>On Linux what the kernel calls available, within the limits of the control groups; elsewhere the runtime's own estimate.</summary>
    public static long AvailableBytes()
    {
        var info = GC.GetGCMemoryInfo();
        var estimate = Math.Max(info.TotalAvailableMemoryBytes - Math.Max(info.MemoryLoadBytes, Environment.WorkingSet), 0);
        if (!OperatingSystem.IsLinux()) return estimate;
        return Math.Min(Linux("/proc/meminfo", "MemAvailable:") * 1024 ?? estimate, ControlGroupMemory.AvailableBytes() ?? long.MaxValue);
    }

    private static long? Linux(string path, string key)
    {
        if (!File.Exists(path)) return null;
        var line = File.ReadLines(path).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal));
        return line?[key.Length..].Trim().Split(' ') is [var number, ..] && long.TryParse(number, CultureInfo.InvariantCulture, out var value) ? value : null;
    }
}
